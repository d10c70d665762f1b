// The official TypeScript SDK, first line: handshake and session.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { answerOf, travel } from './journey.mjs';

await travel(url => ({
    name: 'ts-old',
    async open() {
        this.client = new Client({ name: 'journey', version: '1' });
        await this.client.connect(new StreamableHTTPClientTransport(new URL(url)));
    },
    close() {
        return this.client.close();
    },
    async tools() {
        return (await this.client.listTools()).tools.map(tool => tool.name);
    },
    async call(name, input, signal) {
        return answerOf(await this.client.callTool({ name, arguments: input }, undefined, { signal }));
    }
}));
