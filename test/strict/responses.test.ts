import test from 'ava';
import { addresses } from '../component/mesh-rig.ts';
import { answering, number, readAnswers, type Answered } from './answering.ts';
import { judgeAnswer } from './judge-answer.ts';
import { injected, responseVectors } from './response-mutations.ts';
import { byKind, gatewayTo, inLanes, recordingServer, talk } from './rig.ts';

/**
 * An upstream answers with every mutation. What the client gets is compared with what a strict reader makes of the answer, and no
 * connection to the upstream may carry another request unless the answer left it clean.
 */

const base = 92;
const lanes = 24;
test('no mutation of a response reaches the client but as what a strict reader takes it for, and no connection with something left is used again', async (t) => {
  t.timeout(180_000);
  const vectors = responseVectors();
  const answers = readAnswers(vectors);
  const reused: string[] = [];
  const upstream = await recordingServer(t, addresses(base)(2), answering(answers, reused));
  const { place } = await gatewayTo(t, base, upstream.port);
  const failures: string[] = [];
  const start = performance.now();
  await inLanes(vectors.length, lanes, async (index) => {
    const { title, method } = vectors[index]!;
    const text = `${method} /r${number(index)} HTTP/1.1\r\nHost: strict.test\r\n\r\nGET /f${number(index)} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`;
    const fault = judgeAnswer({ method, read: answers[index]!.read }, number(index), await talk(place, text, { half: false, cuts: [], timeoutMs: 4000 }));
    if (fault !== undefined) failures.push(`${title}: ${fault}`);
  });
  const count = (is: (answer: Answered) => boolean): number => answers.filter(is).length;
  t.log(`${vectors.length} responses in ${((performance.now() - start) / 1000).toFixed(1)} s: ${count(({ read }) => read.kind === 'response' && read.certainty === 'must')} valid, ${count(({ read }) => read.kind === 'response' && read.certainty === 'may')} that may be refused, ${count(({ read }) => read.kind !== 'response')} invalid; ${upstream.connections.length} connections`);
  failures.push(...reused);
  t.deepEqual(byKind(failures), [], `${failures.length} faults`);
});

test('bytes that come on an idle connection to the upstream belong to nobody', async (t) => {
  const upstream = await recordingServer(t, addresses(base)(4), (socket, carried) => {
    const target = /^GET (\S+)[^]*?\r\n\r\n$/.exec(carried.text.slice(carried.text.lastIndexOf('GET ')))?.[1];
    if (target === undefined) return;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${target.length}\r\n\r\n${target}`);
    setTimeout(() => socket.write(injected), 5);
  });
  const { place } = await gatewayTo(t, base + 2, upstream.port, undefined, addresses(base)(4));
  for (let index = 0; index < 10; index++) {
    const { text } = await talk(place, `GET /${index} HTTP/1.1\r\nHost: strict.test\r\nConnection: close\r\n\r\n`, { half: false, cuts: [], timeoutMs: 4000 });
    t.true(text.endsWith(`\r\n\r\n/${index}`), text);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.is(upstream.connections.length, 10);
});
