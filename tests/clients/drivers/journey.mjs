// The journey of journey.py for clients on Node: same steps, same lines on standard output.

import { once } from 'node:events';

const META_TOOLS = 'call_tool,remove_tools,search_tools';
const STEP_MS = 20_000;

/** @param make (url) => driver with name, open(), close(), tools(), call(name, arguments, signal) */
export async function travel(make) {
    const url = process.argv[2];
    const driver = make(url);
    const watcher = make(url);
    await driver.open();
    for (const [step, act] of Object.entries({ list, search, call, error, cancel })) {
        await report(step, () => act(driver, watcher));
    }
    say({ ready: true });
    await once(process.stdin, 'data');
    await report('reconnect', () => reconnect(driver));
    process.exit(0);
}

async function report(step, act) {
    try {
        say({ step, passed: true, detail: await within(STEP_MS, act()) });
    } catch (error) {
        say({ step, passed: false, detail: String(error).slice(0, 500) });
    }
}

async function list(driver) {
    const names = (await driver.tools()).sort().join();
    required(names === META_TOOLS, `listed ${names}`);
    return '';
}

async function search(driver) {
    const answer = await driver.call('search_tools', { queries: ['give a text back', 'add two numbers'] });
    required(!answer.failed, show(answer));
    const names = JSON.parse(answer.texts[0]).results.map(result => result.tools.map(tool => tool.name));
    required(names[0].includes('ref__echo'), `found ${names[0]}`);
    required(names[1].includes('ref__add'), `found ${names[1]}`);
    required(answer.texts.at(-1).includes('Session s_'), show(answer));
    return '';
}

async function call(driver) {
    const answer = await through(driver, 'ref__echo', { text: `hello from ${driver.name}` });
    required(!answer.failed && answer.texts.join() === `hello from ${driver.name}`, show(answer));
    return '';
}

async function error(driver) {
    const own = await through(driver, 'ref__fail', {});
    required(own.failed && own.texts.join().includes('it failed'), show(own));
    const unknown = await through(driver, 'ref__ecco', {});
    const said = unknown.texts.join();
    required(unknown.failed && said.includes('tool_not_found') && said.includes('ref__echo'), show(unknown));
    return '';
}

async function cancel(driver, watcher) {
    await watcher.open();
    const label = { label: driver.name };
    const abort = new AbortController();
    const slow = through(driver, 'ref__slow', { seconds: 120, ...label }, abort.signal).then(
        answer => show(answer),
        () => 'given up'
    );
    await through(watcher, 'ref__running', { ...label, count: 1 });
    abort.abort();
    required((await within(5_000, slow)) === 'given up', 'the call ended otherwise');
    const seen = await through(watcher, 'ref__was_cancelled', label);
    required(seen.texts.join() === '1', show(seen));
    await watcher.close();
    return '';
}

async function reconnect(driver) {
    const expected = `${driver.name} is back`;
    let reason;
    try {
        const answer = await within(STEP_MS / 2, through(driver, 'ref__echo', { text: expected }));
        if (answer.texts.join() === expected) return 'by itself';
        reason = show(answer);
    } catch (error) {
        reason = String(error);
    }
    await within(5_000, driver.close()).catch(() => {});
    await driver.open();
    const answer = await through(driver, 'ref__echo', { text: expected });
    required(answer.texts.join() === expected, show(answer));
    return `with a new connection, since the old one said '${reason.slice(0, 100)}'`;
}

function through(driver, tool, input, signal) {
    return driver.call('call_tool', { name: tool, arguments: input }, signal);
}

function within(ms, work) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms).unref());
    return Promise.race([work, late]);
}

function required(holds, otherwise) {
    if (!holds) throw new Error(otherwise);
}

const show = answer => `${answer.failed ? 'error' : 'answer'}: ${answer.texts.join(' ').slice(0, 200)}`;

const say = line => process.stdout.write(`${JSON.stringify(line)}\n`);

export const answerOf = result => ({
    texts: result.content.map(block => block.text ?? ''),
    failed: result.isError === true
});
