import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { weft } from '../cli/testing/run.ts';

const pages = ['README.md', 'CONTRIBUTING.md', 'examples/README.md', ...readdirSync('docs', { recursive: true }).map(String).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))];

interface Block {
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const blocks = pages.flatMap((page): readonly Block[] => {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(({ index, 1: language = '', 2: body = '' }) => ({ place: `${page}:${text.slice(0, index).split('\n').length}`, language, text: body }));
});

const folder = mkdtempSync(join(tmpdir(), 'weft-docs-'));

/** A part of an object is shown in what it is a part of. */
function whole(text: string): string {
  if (text.startsWith('parentRefs:')) return `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: { name: shown }\nspec:\n${text.replaceAll(/^/gm, '  ')}`;
  if (text.startsWith('kind: Gateway\nspec:\n')) return `apiVersion: gateway.networking.k8s.io/v1\nmetadata: { name: shown }\n${text}  gatewayClassName: weft\n  listeners: [{ name: http, protocol: HTTP, port: 80 }]\n`;
  return text;
}

test('every YAML of the documentation can be read, in full', async (t) => {
  const shown = blocks.filter(({ language }) => language === 'yaml');
  t.true(shown.length >= 6);
  for (const [index, { place, text }] of shown.entries()) {
    const file = join(folder, `${index}.yaml`);
    writeFileSync(file, whole(text));
    const { problems, ignored } = JSON.parse((await weft('analyze', '-f', file, '-o', 'json')).out) as { problems: readonly { reason: string; message: string }[]; ignored: readonly unknown[] };
    const unread = problems.filter(({ reason }) => ['SyntaxError', 'InvalidObject', 'UnknownKind', 'UnknownVersion', 'Invalid', 'UnsupportedValue'].includes(reason));
    t.deepEqual([unread, ignored], [[], []], place);
    t.true(parseAllDocuments(text).length > 0);
  }
});

test('the manifests of the README are complete: nothing is wrong with them, and a request goes where it says', async (t) => {
  const [first] = blocks.filter(({ place, language }) => place.startsWith('README.md') && language === 'yaml');
  const file = join(folder, 'web.yaml');
  writeFileSync(file, first!.text);
  t.is((await weft('analyze', '-f', file)).out, 'no problems in 4 objects\n');
  t.regex((await weft('explain', '-f', file, '--gateway', 'default/web', 'http://127.0.0.1:8080/')).out, /^forward\n[^]*default\/hello:80 +100 % +127\.0\.1\.1:9080$/m);
});

test('the commands of the README that ask and end do so, on the examples', async (t) => {
  const lines = blocks.filter(({ place }) => place.startsWith('README.md')).flatMap(({ text }) => text.split('\n'));
  const asked = lines.flatMap((line) => /^npx weft ((?:explain|policy|analyze|translate) .*-f examples.*)$/.exec(line)?.[1] ?? []);
  t.true(asked.length >= 5);
  for (const line of asked) {
    const { out, err, status } = await weft(...line.split(/\s+/));
    t.deepEqual([err, status], ['', 0], line);
    t.not(out, '', line);
  }
});

/** As GitHub makes them of headings. */
const anchorOf = (heading: string): string => heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(/\s/g, '-');

test('every link of the documentation leads somewhere', (t) => {
  for (const page of pages) {
    for (const [, link = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      t.true(existsSync(target), `${page}: ${link}`);
      if (anchor === undefined || !target.endsWith('.md')) continue;
      const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
      t.true(headings.includes(anchor), `${page}: ${link}`);
    }
  }
});

test('every test that the documentation names is there', (t) => {
  let named = 0;
  for (const page of pages) {
    for (const [, path = ''] of readFileSync(page, 'utf8').matchAll(/`((?:[\w-]+\/)+[\w.-]+\.test\.ts)`/g)) {
      named++;
      t.true(existsSync(path) || existsSync(join('test', path)), `${page}: ${path}`);
    }
  }
  t.true(named >= 60);
});
