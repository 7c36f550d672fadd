import test from 'ava';
import { translateYaml } from '../testing.ts';

const gateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web, namespace: shop }
spec:
  gatewayClassName: weft
  listeners:
    - { name: plain, port: 80, protocol: HTTP }
    - { name: tls, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: web }] } }
---
apiVersion: v1
kind: Secret
metadata: { name: web, namespace: shop }
type: kubernetes.io/tls
stringData: { tls.crt: "", tls.key: "" }
---`;

interface Sketch {
  readonly name?: string;
  readonly parent?: string;
  readonly hostnames?: string;
  /** Each: its matches, and where it redirects to; to a backend unless that is said. */
  readonly rules: readonly (readonly [matches: string, redirect?: string])[];
}

function route({ name = 'moved', parent = '{ name: web }', hostnames = '[]', rules }: Sketch): string {
  const rule = ([matches, redirect]: Sketch['rules'][number]): string => `    - { matches: [${matches}]${redirect === undefined ? '' : `, filters: [{ type: RequestRedirect, requestRedirect: ${redirect} }]`} }`;
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name}, namespace: shop }
spec:
  parentRefs: [${parent}]
  hostnames: ${hostnames}
  rules:
${rules.map(rule).join('\n')}
---`;
}

function told(...routes: readonly Sketch[]): readonly string[] {
  const { problems } = translateYaml(gateway + routes.map(route).join(''));
  return problems.filter(({ reason }) => reason === 'CircularRedirect').map(({ object, path, message }) => `${object.name} ${path.join('.')}: ${message.split('; name another')[0]}`);
}

/** Of one route with one rule: the listener that is named. */
function circular(redirect: string, { match = '{ path: { value: /old } }', ...more }: Partial<Sketch> & { readonly match?: string } = {}): string | undefined {
  const [first, ...others] = told({ ...more, rules: [[match, redirect]] });
  return first === undefined ? undefined : `${/^moved spec\.rules\.0\.filters\.0\.requestRedirect: on listener (\S+) this leads to/.exec(first)?.[1]}${others.length === 0 ? '' : ', and more'}`;
}

const plain = '{ name: web, sectionName: plain }';
const full = (path: string): string => `{ path: { type: ReplaceFullPath, replaceFullPath: "${path}" } }`;
const prefix = (path: string): string => `{ path: { type: ReplacePrefixMatch, replacePrefixMatch: "${path}" } }`;
const at = (type: 'Exact' | 'PathPrefix' | 'RegularExpression', value: string, more = ''): string => `{ path: { type: ${type}, value: "${value}" }${more} }`;

const cases: readonly [sentence: string, listener: string | undefined, found: string | undefined][] = [
  ['to HTTPS on all listeners leads back on the one for HTTPS', 'tls', circular('{ scheme: https }')],
  ['to HTTPS on the listener for HTTP does not', undefined, circular('{ scheme: https }', { parent: plain })],
  ['that changes nothing leads back', 'plain', circular('{ statusCode: 301 }', { parent: plain })],
  ['that changes nothing leads back whatever an expression takes', 'plain', circular('{ statusCode: 301 }', { parent: plain, match: at('RegularExpression', '/o.*') })],
  ['to another port of the scheme does not', undefined, circular('{ port: 8080 }')],
  ['to the port that the listener has leads back', 'plain', circular('{ port: 80 }')],
  ['to another hostname does not', undefined, circular('{ hostname: new.example.com }', { hostnames: '[old.example.com]' })],
  ['to another hostname does not, where any is taken: it may be served elsewhere', undefined, circular('{ hostname: new.example.com }')],
  ['to a hostname below a wildcard does not: it may be served elsewhere', undefined, circular('{ hostname: www.example.com }', { hostnames: '["*.example.com"]' })],
  ['to the only hostname leads back', 'plain', circular('{ hostname: a.example.com }', { hostnames: '[a.example.com]' })],
  ['to one of two hostnames leads back', 'plain', circular('{ hostname: a.example.com }', { hostnames: '[b.example.com, a.example.com]' })],
  ['to the same prefix leads back, its slash apart', 'plain', circular(prefix('/old/'))],
  ['to another prefix does not', undefined, circular(prefix('/new'))],
  ['to a prefix below its own never ends', 'plain', circular(prefix('/old/new'))],
  ['to a prefix that only begins like its own does', undefined, circular(prefix('/older'))],
  ['that takes the prefix away ends where there is none', undefined, circular(prefix('/'))],
  ['to a path below its prefix leads back', 'plain', circular(full('/old'))],
  ['to a path below its prefix on another listener does not', undefined, circular('{ scheme: https, path: { type: ReplaceFullPath, replaceFullPath: /old } }', { parent: plain })],
  ['of everything to one page leads back', 'plain', circular(full('/maintenance'), { match: at('PathPrefix', '/') })],
  ['to a page with a query does so too, and is not told: which rules look at it is not known', undefined, circular(full('/maintenance?now=1'), { match: at('PathPrefix', '/') })],
  ['to the exact path that was asked for leads back', 'plain', circular(full('/old'), { match: at('Exact', '/old') })],
  ['of POST, which a client follows by GET, does not', undefined, circular(full('/old'), { match: at('PathPrefix', '/old', ', method: POST') })],
  ['of POST that a client follows by POST leads back', 'plain', circular('{ statusCode: 308, path: { type: ReplaceFullPath, replaceFullPath: /old } }', { match: at('PathPrefix', '/old', ', method: POST') })],
  ['of requests with a header leads back', 'plain', circular(full('/old'), { match: at('PathPrefix', '/old', ', headers: [{ name: X-Beta, value: "1" }]') })],
  ['by one of its matches to another leads back', 'plain', circular(full('/b'), { match: `${at('Exact', '/a')}, ${at('Exact', '/b')}` })],
];

for (const [sentence, listener, found] of cases) test(`a redirect ${sentence}`, (t) => t.is(found, listener));

const toPage: Sketch = { rules: [[at('PathPrefix', '/'), full('/maintenance')]], hostnames: '[a.example.com]' };
const others: readonly [sentence: string, takesOver: boolean, other: Sketch][] = [
  ['a more specific rule', true, { name: 'page', hostnames: '[a.example.com]', rules: [[at('Exact', '/maintenance')]] }],
  ['a rule for any host', false, { name: 'page', rules: [[at('Exact', '/maintenance')]] }],
  ['a rule of another host', false, { name: 'page', hostnames: '[b.example.com]', rules: [[at('Exact', '/maintenance')]] }],
  ['a rule of one of the two listeners', false, { name: 'page', parent: plain, hostnames: '[a.example.com]', rules: [[at('Exact', '/maintenance')]] }],
  ['a rule for another method', false, { name: 'page', hostnames: '[a.example.com]', rules: [[at('Exact', '/maintenance', ', method: POST')]] }],
  ['a rule for a header that not every client sends', false, { name: 'page', hostnames: '[a.example.com]', rules: [[at('Exact', '/maintenance', ', headers: [{ name: X-Beta, value: "1" }]')]] }],
  ['an expression that may', true, { name: 'page', hostnames: '[a.example.com]', rules: [[at('RegularExpression', '/m.*')]] }],
  ['a path that is written in another way', true, { name: 'page', hostnames: '[a.example.com]', rules: [[at('Exact', '/%6daintenance')]] }],
  ['a rule of the same precedence whose route comes first by name', true, { name: 'first', hostnames: '[a.example.com]', rules: [[at('PathPrefix', '/')]] }],
  ['one that comes behind', false, { name: 'page', hostnames: '[a.example.com]', rules: [[at('PathPrefix', '/')]] }],
];

for (const [sentence, takesOver, other] of others) {
  test(`a redirect to a page ${takesOver ? 'does not lead' : 'leads'} back where the page is taken by ${sentence}`, (t) => t.is(told(toPage, other).length, takesOver ? 0 : 1));
}

test('it is said where a redirect leads', (t) => {
  const here = 'moved spec.rules.0.filters.0.requestRedirect: on listener plain this leads to';
  t.deepEqual(told({ parent: plain, rules: [[at('PathPrefix', '/'), '{ statusCode: 301 }']] }), [`${here} the URL that was asked for, again and again`]);
  t.deepEqual(told({ parent: plain, rules: [[at('PathPrefix', '/'), full('/maintenance')]] }), [`${here} /maintenance, which it redirects again, and so on`]);
});

test('two redirects that lead to each other are both told, across listeners and hosts too; one that leads to them is not', (t) => {
  const both = told({ parent: plain, rules: [[at('Exact', '/a'), full('/b')], [at('Exact', '/b'), full('/a')], [at('Exact', '/c'), full('/a')]] });
  t.deepEqual(both, [
    'moved spec.rules.0.filters.0.requestRedirect: on listener plain this leads to /b on listener plain, from where rule 1 of HTTPRoute shop/moved leads back',
    'moved spec.rules.1.filters.0.requestRedirect: on listener plain this leads to /a on listener plain, from where rule 0 of HTTPRoute shop/moved leads back',
  ]);
  const tail = told({ parent: plain, rules: [[at('Exact', '/t'), full('/t/z')], [at('PathPrefix', '/t'), full('/a')], [at('PathPrefix', '/a'), full('/a')]] });
  t.deepEqual(tail.map((each) => each.split('.')[2]), ['2'], 'what passes another rule on the way there is not on the circle either');
  const [down, up] = told({ name: 'up', parent: plain, rules: [[at('PathPrefix', '/'), '{ scheme: https }']] }, { name: 'down', parent: '{ name: web, sectionName: tls }', rules: [[at('PathPrefix', '/'), '{ scheme: http }']] });
  t.regex(down ?? '', /^down .* on listener tls this leads to \/ on listener plain, from where rule 0 of HTTPRoute shop\/up leads back$/);
  t.regex(up ?? '', /^up .* on listener plain this leads to \/ on listener tls, from where rule 0 of HTTPRoute shop\/down leads back$/);
  const hosts = (second: string): readonly string[] => told({ name: 'a', parent: plain, hostnames: '[a.example.com]', rules: [[at('PathPrefix', '/'), '{ hostname: b.example.com }']] }, { name: 'b', parent: plain, hostnames: second, rules: [[at('PathPrefix', '/'), '{ hostname: a.example.com }']] });
  t.is(hosts('[b.example.com]').length, 2);
  t.deepEqual(hosts('["*.example.com"]'), [], 'b.example.com may be served elsewhere');
});
