// The official TypeScript SDK, second line: it negotiates the current revision.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { answerOf, travel } from './journey.mjs';

await travel(url => ({
    name: 'ts-new',
    async open() {
        this.client = new Client({ name: 'journey', version: '1' }, { versionNegotiation: { mode: 'auto' } });
        await this.client.connect(new StreamableHTTPClientTransport(new URL(url)));
    },
    close() {
        return this.client.close();
    },
    async tools() {
        return (await this.client.listTools()).tools.map(tool => tool.name);
    },
    async call(name, input, signal) {
        return answerOf(await this.client.callTool({ name, arguments: input }, { signal }));
    }
}));
