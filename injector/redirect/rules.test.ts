import test from 'ava';
import { redirectionOf } from './arguments.ts';
import { familiesOf, redirectRules } from './rules.ts';

const plain = { uid: 1371, outbound: 15001, inbound: 15006, excludeOutbound: [], excludeInbound: ['15020'] };

test('own user, loopback and the own port are left out; all other TCP is redirected', (t) => {
  t.is(
    redirectRules(plain, 'IPv4', ''),
    `*nat
:WEFT_INBOUND - [0:0]
:WEFT_OUTBOUND - [0:0]
-A WEFT_INBOUND -i lo -j RETURN
-A WEFT_INBOUND -p tcp -m tcp --dport 15020 -j RETURN
-A WEFT_INBOUND -p tcp -j REDIRECT --to-ports 15006
-A WEFT_OUTBOUND -o lo -j RETURN
-A WEFT_OUTBOUND -d 127.0.0.0/8 -j RETURN
-A WEFT_OUTBOUND -m owner --uid-owner 1371 -j RETURN
-A WEFT_OUTBOUND -p tcp -j REDIRECT --to-ports 15001
-A PREROUTING -p tcp -j WEFT_INBOUND
-A OUTPUT -p tcp -j WEFT_OUTBOUND
COMMIT
`,
  );
});

test('excluded ports and ranges come before the redirection', (t) => {
  const lines = redirectRules({ ...plain, excludeOutbound: ['3306', '8000:8010'], excludeInbound: ['15020', '9000'] }, 'IPv4', '').split('\n');
  const at = (line: string): number => lines.indexOf(line);
  for (const line of ['-A WEFT_OUTBOUND -p tcp -m tcp --dport 3306 -j RETURN', '-A WEFT_OUTBOUND -p tcp -m tcp --dport 8000:8010 -j RETURN']) {
    t.true(at(line) > 0 && at(line) < at('-A WEFT_OUTBOUND -p tcp -j REDIRECT --to-ports 15001'));
  }
  t.true(at('-A WEFT_INBOUND -p tcp -m tcp --dport 9000 -j RETURN') < at('-A WEFT_INBOUND -p tcp -j REDIRECT --to-ports 15006'));
});

test('the same for IPv6, with its loopback; addresses of a link are left out', (t) => {
  const [four, six] = [redirectRules(plain, 'IPv4', ''), redirectRules(plain, 'IPv6', '')];
  const ofLink = (chain: string): string => `-A ${chain} -d fe80::/10 -j RETURN\n`;
  const expected = four
    .replace('-A WEFT_OUTBOUND -d 127.0.0.0/8 -j RETURN\n', `-A WEFT_OUTBOUND -d ::1/128 -j RETURN\n${ofLink('WEFT_OUTBOUND')}`)
    .replace('-A WEFT_INBOUND -i lo -j RETURN\n', `-A WEFT_INBOUND -i lo -j RETURN\n${ofLink('WEFT_INBOUND')}`);
  t.is(six, expected);
});

test('a second run fills the chains anew and adds no second jump', (t) => {
  const present = '*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j WEFT_INBOUND\n-A OUTPUT -p tcp -j WEFT_OUTBOUND\nCOMMIT\n';
  const rules = redirectRules(plain, 'IPv4', present);
  t.false(rules.includes('-A PREROUTING') || rules.includes('-A OUTPUT'));
  t.true(rules.includes('\n:WEFT_OUTBOUND - [0:0]\n'));
});

test("the families are those of the Pod's addresses", (t) => {
  t.deepEqual(familiesOf('10.0.0.1'), ['IPv4']);
  t.deepEqual(familiesOf('fd00::1,10.0.0.1'), ['IPv4', 'IPv6']);
  t.deepEqual(familiesOf('fd00::1'), ['IPv6']);
  t.deepEqual(familiesOf(''), ['IPv4']);
});

test('nothing but numbers reaches the rules', (t) => {
  const args = ['--uid=1371', '--outbound=15001', '--inbound=15006'];
  t.deepEqual(redirectionOf([...args, '--exclude-inbound=15020']), plain);
  t.throws(() => redirectionOf(args.slice(1)), { message: '--uid must be a number from 1 to 2147483647' });
  t.throws(() => redirectionOf([...args, '--exclude-outbound=1 -j ACCEPT']), { message: '--exclude-outbound: "1 -j ACCEPT" must be a port or first:last' });
  t.throws(() => redirectionOf([...args, '--outbound=0']), { message: '--outbound must be a number from 1 to 65535' });
});
