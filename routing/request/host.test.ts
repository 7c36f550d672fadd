import test from 'ava';
import { normalizeHost } from './host.ts';

const normal: readonly [text: string, host: string, port?: number][] = [
  ['example.com', 'example.com'],
  ['Example.COM', 'example.com'],
  ['example.com.', 'example.com'],
  ['example.com:8080', 'example.com', 8080],
  ['EXAMPLE.com.:80', 'example.com', 80],
  ['example.com:', 'example.com'],
  ['localhost', 'localhost'],
  ['my_service.shop', 'my_service.shop'],
  ['my-service.shop-2.example', 'my-service.shop-2.example'],
  ['127.0.0.1:1', '127.0.0.1', 1],
  ['[::1]', '[::1]'],
  ['[2001:DB8::1]:65535', '[2001:db8::1]', 65_535],
  ['[::ffff:10.0.0.1]', '[::ffff:10.0.0.1]'],
  ['[1:2:3:4:5:6:7:8]', '[1:2:3:4:5:6:7:8]'],
  [`${'a'.repeat(63)}.com`, `${'a'.repeat(63)}.com`],
  [`${'a.'.repeat(126)}a`, `${'a.'.repeat(126)}a`],
  [`${'a.'.repeat(126)}a.:80`, `${'a.'.repeat(126)}a`, 80],
];

for (const [text, host, port] of normal) {
  test(`${text} is ${host}${port === undefined ? '' : ` and port ${port}`}`, (t) => t.deepEqual(normalizeHost(text), { host, port }));
}

const badNames = ['', '.', '..', '.com', 'a..b', 'a.com..', ':80', '.:80', 'a b', 'a/b', 'a@b', 'a,b', 'a\u0000', 'ä.de', '*.com', 'a%41'];
const badPorts = ['a:0', 'a:65536', 'a:x', 'a:8 0', 'a:+80', 'a:000080', 'a:80:80', '::1'];
const badAddresses = ['[', '[]', '[::1', '[::1]x', '[::1]:x', '[1:2]', '[1:2:3:4:5:6:7:8:9]', '[::1::]', '[fe80::1%eth0]', '[12345::]', '[:::]', '[1:2:3:4:5:6:7::8]', '[::10.0.0.256]', '[10.0.0.1::]'];
const tooLong = [`${'a'.repeat(64)}.com`, `a.${'a'.repeat(64)}`, `${'a.'.repeat(127)}com`, `${'a.'.repeat(125)}aa.a`];

for (const text of [...badNames, ...badPorts, ...badAddresses, ...tooLong]) {
  test(`${JSON.stringify(text)} is refused`, (t) => t.true('problem' in normalizeHost(text)));
}

test('a name has letters, digits, hyphens and underscores, and no other character', (t) => {
  for (let code = 0; code < 256; code += 1) {
    const char = String.fromCharCode(code);
    if (char === '.' || char === ':') continue;
    const { host } = { host: undefined, ...normalizeHost(`a${char}b`) };
    t.is(host, /[-_0-9A-Za-z]/.test(char) ? `a${char.toLowerCase()}b` : undefined, JSON.stringify(char));
  }
});
