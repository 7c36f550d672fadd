import test from 'ava';
import fc from 'fast-check';
import { endpointsFor, familyOf, formatIPv6, hostPort, normalAddress, parseIPv6 } from './address.ts';
import type { Endpoint } from './resources.ts';

test('an address has one form: that of RFC 5952, IPv4 in its own, no zone', (t) => {
  const forms: readonly [string, string][] = [
    ['FD00:0::0001', 'fd00::1'],
    ['fd00:0:0:1:0:0:0:1', 'fd00:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::FFFF:10.0.0.1', '10.0.0.1'],
    ['::ffff:a00:1', '10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1'],
    ['10.0.0.1', '10.0.0.1'],
    ['lb.example', 'lb.example'],
    ['1:2:3', '1:2:3'],
  ];
  for (const [written, normal] of forms) t.is(normalAddress(written), normal, written);
});

test('every address of IPv6 is read as it was written', (t) => {
  const word = fc.oneof(fc.constant(0), fc.nat({ max: 0xffff }));
  fc.assert(fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
    t.deepEqual(parseIPv6(formatIPv6(words)), words);
    t.deepEqual(parseIPv6(words.map((each) => each.toString(16).toUpperCase().padStart(4, '0')).join(':')), words);
    t.is(new URL(`http://[${formatIPv6(words)}]/`).hostname, `[${formatIPv6(words)}]`);
  }));
});

test('an address and a port, as a URL has them', (t) => {
  t.is(hostPort('fd00::1', 80), '[fd00::1]:80');
  t.is(hostPort('[fd00::1]', 80), '[fd00::1]:80');
  t.is(hostPort('10.0.0.1', 80), '10.0.0.1:80');
  t.is(hostPort('a.example', 80), 'a.example:80');
});

const at = (address: string, workload?: string): Endpoint => ({ address, port: 80, ...(workload === undefined ? {} : { workload }) });
const used = (endpoints: readonly Endpoint[], ...families: readonly ('IPv4' | 'IPv6')[]): readonly string[] => endpointsFor(endpoints, families).map(({ address }) => address);

test('a workload of both families is one endpoint: by the first that can be reached', (t) => {
  const both = [at('10.0.0.1', 'shop/a'), at('10.0.0.2', 'shop/b'), at('fd00::1', 'shop/a'), at('fd00::3', 'shop/c')];
  t.deepEqual(used(both, 'IPv4', 'IPv6'), ['10.0.0.1', '10.0.0.2', 'fd00::3']);
  t.deepEqual(used(both, 'IPv6'), ['fd00::1', 'fd00::3']);
  t.deepEqual(used(both, 'IPv4'), ['10.0.0.1', '10.0.0.2']);
  t.deepEqual(used(both.toReversed(), 'IPv6', 'IPv4'), ['fd00::3', 'fd00::1', '10.0.0.2']);
});

test('where it is not known which addresses are one workload, those of one family count', (t) => {
  const written = [at('fd00::1'), at('fd00::2'), at('10.0.0.1'), at('10.0.0.2')];
  t.deepEqual(used(written, 'IPv4', 'IPv6'), ['fd00::1', 'fd00::2']);
  t.deepEqual(used(written, 'IPv4'), ['10.0.0.1', '10.0.0.2']);
});

test('endpoints of another family than one has are used where there are no others', (t) => {
  t.deepEqual(used([at('fd00::1', 'shop/a')], 'IPv4'), ['fd00::1']);
  t.deepEqual(used([], 'IPv4'), []);
  const endpoints = fc.array(fc.record({ address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'fd00::1', 'fd00::2'), port: fc.constant(80), workload: fc.constantFrom('a', 'b', 'c') }));
  fc.assert(fc.property(endpoints, fc.constantFrom<readonly ('IPv4' | 'IPv6')[]>(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']), (all, families) => {
    const some = endpointsFor(all, families);
    t.is(some.length > 0, all.length > 0);
    const reached = new Set(all.filter(({ address }) => families.includes(familyOf(address))).map(({ workload }) => workload));
    for (const workload of reached) t.is(new Set(some.filter((each) => each.workload === workload).map(({ address }) => familyOf(address))).size, 1);
  }));
});
