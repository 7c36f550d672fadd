import fc from 'fast-check';

/** Messages that are nearly right: built from the grammar, then now and then bent by a byte. */

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
const bytes = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: byte, maxLength });
const seldom = <T>(usual: fc.Arbitrary<T>, seldomly: fc.Arbitrary<T>): fc.Arbitrary<T> => fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: seldomly });

const ending = seldom(fc.constant('\r\n'), fc.constantFrom('\n', '\r', '\r\r\n', '', ' \r\n', '\0\r\n'));

const name = seldom(
  fc.constantFrom('Content-Length', 'Transfer-Encoding', 'Host', 'Connection', 'Expect', 'Upgrade', 'TE', 'Trailer', 'X-Forwarded-For', 'X', 'Cookie', 'content-length', 'TRANSFER-ENCODING', 'Content_Length', 'X-Weft-Y'),
  bytes(6),
);
const value = seldom(
  fc.constantFrom('', '0', '1', '5', '11', '05', '+5', '5, 5', 'chunked', 'Chunked', ',chunked', 'gzip, chunked', 'identity', 'close', 'keep-alive', 'close, x', '100-continue', 'websocket', 'strict.test', 'a b', 'x'),
  bytes(12),
);
const colon = seldom(fc.constant(': '), fc.constantFrom(':', ' : ', ':\t', ':  ', ''));
const line = fc.tuple(name, colon, value, ending).map((parts) => parts.join(''));

const extension = seldom(fc.constant(''), fc.oneof(fc.constantFrom(';a', ';a=b', ' ;a', ';a="b c"', ';', ' ', ';a=b;c'), bytes(6)));
const size = seldom(fc.constant(undefined), fc.constantFrom('0', '5', '00005', 'f', 'ffffffff', '-1', 'x', '0x5', ''));
const chunk = fc.tuple(bytes(12), size, extension, ending, ending).map(([data, written, more, first, second]) => `${written ?? data.length.toString(16)}${more}${first}${data}${second}`);

/** A chunked body, its end included as a rule. */
export const chunkedBody: fc.Arbitrary<string> = fc
  .tuple(fc.array(chunk, { maxLength: 4 }), seldom(fc.constant('0\r\n'), fc.constantFrom('', '0;x\r\n', '000\r\n', '0\n')), seldom(fc.constant(''), line), ending)
  .map(([chunks, last, trailers, end]) => chunks.join('') + last + trailers + end);

const plainBody = fc.oneof(fc.constantFrom('', 'hello', 'hello world', 'GET /s HTTP/1.1\r\nHost: strict.test\r\n\r\n'), bytes(11));
const framedBody: fc.Arbitrary<string> = fc.oneof(
  fc.constant('\r\n'),
  plainBody.map((body) => `Content-Length: ${body.length}\r\n\r\n${body}`),
  chunkedBody.map((body) => `Transfer-Encoding: chunked\r\n\r\n${body}`),
  fc.tuple(line, fc.oneof(plainBody, chunkedBody)).map(([lines, body]) => `${lines}\r\n${body}`),
);

/** Puts a byte in, takes one out, or doubles a stretch. */
function bent(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const bend = fc.tuple(text, fc.nat(400), byte, fc.constantFrom('insert', 'replace', 'remove', 'repeat')).map(([whole, at, other, how]) => {
    const place = whole.length === 0 ? 0 : at % whole.length;
    const rest = whole.slice(how === 'insert' || how === 'repeat' ? place : place + 1);
    return whole.slice(0, place) + (how === 'remove' ? '' : how === 'repeat' ? whole.slice(place, place + 20) : other) + rest;
  });
  return fc.oneof({ weight: 3, arbitrary: text }, { weight: 2, arbitrary: bend });
}

const target = seldom(fc.constantFrom('/v§', '/v§?a=b', '/a/../v§', 'http://strict.test/v§'), fc.oneof(fc.constantFrom('*', '/v§#', '/v§%2f', 'http://other.test/v§', '//v§'), bytes(5).map((more) => `/v§${more}`)));
const method = seldom(fc.constantFrom('GET', 'POST', 'PUT', 'HEAD'), fc.constantFrom('OPTIONS', 'CONNECT', 'TRACE', 'get', 'X'));
const version = seldom(fc.constant('HTTP/1.1'), fc.constantFrom('HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1'));
const host = seldom(fc.constant('Host: strict.test\r\n'), fc.constantFrom('', 'Host: strict.test\r\nHost: strict.test\r\n', 'host:x\r\n'));

/** One request; `§` stands for its number. */
export const request: fc.Arbitrary<string> = bent(
  fc.tuple(method, target, version, ending, host, fc.array(line, { maxLength: 3 }), framedBody).map(([verb, at, protocol, end, authority, lines, body]) => `${verb} ${at} ${protocol}${end}${authority}${lines.join('')}${body}`),
);

/** Requests one behind the other, and where they are cut into packets. */
export const stream: fc.Arbitrary<{ readonly text: string; readonly cuts: readonly number[] }> = fc.record({ text: fc.array(request, { minLength: 1, maxLength: 3 }).map((all) => all.join('')), cuts: fc.array(fc.nat(300), { maxLength: 3 }) });

const statusLine = seldom(fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 404 Not Found', 'HTTP/1.1 204 No Content', 'HTTP/1.1 304 Not Modified', 'HTTP/1.0 200 OK'), fc.oneof(fc.constantFrom('HTTP/1.1 101 X', 'HTTP/1.1 200', 'HTTP/2 200 OK'), bytes(12)));
const interim = seldom(fc.constant(''), fc.constantFrom('HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'));

/** What a server might answer. */
export const response: fc.Arbitrary<string> = bent(
  fc.tuple(interim, statusLine, ending, fc.array(line, { maxLength: 3 }), framedBody, seldom(fc.constant(''), bytes(20))).map(([before, first, end, lines, body, behind]) => `${before}${first}${end}${lines.join('')}${body}${behind}`),
);

const nasty = fc.constantFrom('', '/', '/a', '*', '*.b.com', 'a.b.com', '__proto__', 'constructor', 'toString', '(a+)+$', '[', '(a|b)*c{1000}', '\0', '\r\nX: y', '💥', 'a'.repeat(300), '%2f', '../..', '-1', '1e999');
const text = fc.oneof(nasty, fc.string({ maxLength: 10 }));
const small = fc.oneof(fc.integer({ min: -2, max: 600 }), fc.constantFrom(2 ** 31, 2 ** 53, -0, 0.5));
const ref = fc.record({ kind: text, namespace: text, name: text });
const condition = fc.record({ name: text, type: fc.constantFrom('Exact', 'RegularExpression'), value: text });
const headerValues = fc.array(fc.record({ name: text, value: text }), { maxLength: 2 });
const pathModifier = fc.record({ type: fc.constantFrom('ReplaceFullPath', 'ReplacePrefixMatch'), value: text });
const backendTarget = fc.oneof(fc.record({ kind: fc.constant('backend'), ref, port: small, backend: fc.oneof(fc.constantFrom('a', 'b'), text) }), fc.record({ kind: fc.constant('invalid'), ref, port: small, status: small, reason: text }));
const filter = fc.oneof(
  fc.record({ type: fc.constantFrom('RequestHeaderModifier', 'ResponseHeaderModifier'), set: headerValues, add: headerValues, remove: fc.array(text, { maxLength: 2 }) }),
  fc.record({ type: fc.constant('RequestRedirect'), statusCode: small, scheme: text, hostname: text, port: small, path: pathModifier }, { requiredKeys: ['type', 'statusCode'] }),
  fc.record({ type: fc.constant('URLRewrite'), hostname: text, path: pathModifier }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constant('RequestMirror'), backend: backendTarget, numerator: small, denominator: small }),
  fc.record({ type: fc.constant('CORS'), allowOrigins: fc.array(text, { maxLength: 2 }), allowCredentials: fc.boolean(), allowMethods: fc.array(text, { maxLength: 2 }), allowHeaders: fc.array(text, { maxLength: 2 }), exposeHeaders: fc.array(text, { maxLength: 2 }), maxAge: small }),
);
const match = fc.record({ index: small, path: fc.record({ type: fc.constantFrom('Exact', 'PathPrefix', 'RegularExpression'), value: text }), method: text, headers: fc.array(condition, { maxLength: 2 }), query: fc.array(condition, { maxLength: 2 }) }, { requiredKeys: ['index', 'path', 'headers', 'query'] });
const duration = fc.constantFrom('1s', '0s', '10ms', '1h1m', '-1s', 'x', '99999h', '');
const policy = fc.record({
  retry: fc.record({ maxRetries: small, methods: fc.array(text, { maxLength: 2 }), perTryTimeout: duration, backoff: fc.record({ base: duration, max: duration }, { requiredKeys: [] }), budget: fc.record({ percent: small, interval: duration, minPerSecond: small }, { requiredKeys: [] }) }, { requiredKeys: [] }),
  timeouts: fc.record({ request: duration, connect: duration, idle: duration }, { requiredKeys: [] }),
  origins: fc.constant({}),
}, { requiredKeys: ['origins'] });
const rule = fc.record({
  index: small,
  matches: fc.array(match, { maxLength: 3 }),
  filters: fc.array(filter, { maxLength: 2 }),
  backends: fc.array(fc.record({ index: small, target: backendTarget, weight: small, filters: fc.array(filter, { maxLength: 1 }), policy: small }, { requiredKeys: ['index', 'target', 'weight', 'filters'] }), { maxLength: 3 }),
  policy: small,
}, { requiredKeys: ['index', 'matches', 'filters', 'backends'] });
const route = fc.record({ ref, createdAt: small, hostnames: fc.array(fc.record({ match: text, written: text }), { maxLength: 2 }), rules: fc.array(rule, { maxLength: 3 }) });

/** Route tables as a control plane gone mad would send them: the right shape, or nearly. */
export const table: fc.Arbitrary<unknown> = fc.record({ kind: fc.constant('RouteTable'), name: fc.constant('listener/shop/gw/http'), routes: fc.array(route, { maxLength: 3 }), policies: fc.array(policy, { maxLength: 2 }) });

const anything = fc.anything({ maxDepth: 3, withNullPrototype: false });
/** Messages of the stream, of a proxy or of a controller, and what only looks like one. */
export const message: fc.Arbitrary<string> = bent(
  fc.oneof(
    fc.record({ node: anything, type: fc.oneof(text, fc.constant('RouteTable')), subscribe: fc.array(text), unsubscribe: fc.array(text), initialVersions: fc.dictionary(text, text), nonce: text, error: text, rejected: anything }, { requiredKeys: ['type'] }),
    fc.record({ type: fc.oneof(text, fc.constant('RouteTable')), nonce: text, removed: fc.array(text), resources: fc.array(fc.record({ name: fc.constant('listener/shop/gw/http'), version: text, resource: fc.oneof(table, anything) }), { maxLength: 3 }) }),
    fc.record({ version: small, token: text, instance: anything }),
    anything,
  ).map((value_) => JSON.stringify(value_, (_key, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? ''),
);

export const pieces: fc.Arbitrary<readonly string[]> = fc.array(bytes(40), { maxLength: 6 });
export const requestView: fc.Arbitrary<{ readonly method: string; readonly host: string; readonly path: string; readonly query: string | undefined; readonly value: string }> = fc.record({ method: text, host: text, path: text.map((at) => `/${at}`), query: fc.option(text, { nil: undefined }), value: text });
