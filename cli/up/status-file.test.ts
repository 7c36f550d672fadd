import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ObjectStatus } from '#controller';
import { resultInTurns, runSteps } from '#snapshot';
import { keepStatusFile, statusText } from './status-file.ts';

const status = (time: string): readonly ObjectStatus[] => [{ apiVersion: 'v1', kind: 'Gateway', namespace: 'n', name: 'g', status: { conditions: [{ type: 'Accepted', status: 'True', lastTransitionTime: time }] } }];

test('the file has the last statuses, also when the same ones are set in between', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'weft-status-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'status.yaml');
  const file = keepStatusFile(path, (message) => t.fail(message));
  for (const time of ['1', '1', '2', '2', '3']) {
    file.set(status(time));
    await file.flush();
    t.is(await readFile(path, 'utf8'), runSteps(statusText(status(time))));
  }
  for (const time of ['4', '5', '6']) file.set(status(time));
  await file.flush();
  t.is(await readFile(path, 'utf8'), runSteps(statusText(status('6'))));
});

test('a place that can not be written is told, and later statuses are tried again', async (t) => {
  const messages: string[] = [];
  const file = keepStatusFile('/nowhere/status.yaml', (message) => messages.push(message));
  file.set(status('1'));
  await file.flush();
  file.set(status('2'));
  await file.flush();
  t.is(messages.length, 2);
});

test('what old YAML would take for a time or a truth is quoted', (t) => {
  t.regex(runSteps(statusText(status('2026-11-21T09:28:18Z'))), /status: "True"\n\s+lastTransitionTime: "2026/);
});

test('the statuses of thousands of objects are written in turns, and those that did not change are not made anew', async (t) => {
  const many = Array.from({ length: 3000 }, () => status('1')).flat();
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const text = await resultInTurns(statusText(many), { monotonic: () => performance.now() });
  over = true;
  t.true(turns > 10, `${turns} turns`);
  t.is(text, runSteps(statusText(status('1'))).repeat(3000));
  const start = performance.now();
  runSteps(statusText(many));
  t.true(performance.now() - start < 100);
});
