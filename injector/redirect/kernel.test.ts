import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';

/** The program against a kernel's own tables, in a network namespace that ends with the process. Needs root and iptables. */

const program = join(import.meta.dirname, 'main.ts');
const able = spawnSync('unshare', ['--net', 'iptables-save', '-t', 'nat']).status === 0;
const withKernel = able ? test : test.skip;

function inNamespace(script: string, podIPs: string): { readonly status: number | null; readonly out: string } {
  const run = `"${process.execPath}" "${program}" --uid=1371 --outbound=15001 --inbound=15006 --exclude-inbound=15020,9000:9010 --exclude-outbound=3306 >/dev/null`;
  const { status, stdout, stderr } = spawnSync('unshare', ['--net', 'sh', '-ec', script.replaceAll('RUN', run)], { encoding: 'utf8', env: { ...process.env, POD_IPS: podIPs } });
  return { status, out: stdout + stderr };
}

const rulesOf = (out: string): readonly string[] => out.split('\n').filter((line) => line.startsWith('-A'));

withKernel('the kernel takes the rules, and a second run leaves them as they are', (t) => {
  const once = inNamespace('RUN; iptables-save -t nat', '10.0.0.1');
  t.is(once.status, 0, once.out);
  t.deepEqual(rulesOf(once.out), [
    '-A PREROUTING -p tcp -j WEFT_INBOUND',
    '-A OUTPUT -p tcp -j WEFT_OUTBOUND',
    '-A WEFT_INBOUND -i lo -j RETURN',
    '-A WEFT_INBOUND -p tcp -m tcp --dport 15020 -j RETURN',
    '-A WEFT_INBOUND -p tcp -m tcp --dport 9000:9010 -j RETURN',
    '-A WEFT_INBOUND -p tcp -j REDIRECT --to-ports 15006',
    '-A WEFT_OUTBOUND -o lo -j RETURN',
    '-A WEFT_OUTBOUND -d 127.0.0.0/8 -j RETURN',
    '-A WEFT_OUTBOUND -m owner --uid-owner 1371 -j RETURN',
    '-A WEFT_OUTBOUND -p tcp -m tcp --dport 3306 -j RETURN',
    '-A WEFT_OUTBOUND -p tcp -j REDIRECT --to-ports 15001',
  ]);
  t.deepEqual(rulesOf(inNamespace('RUN; RUN; iptables-save -t nat', '10.0.0.1').out), rulesOf(once.out));
});

withKernel('both families where the Pod has both; rules of others stay', (t) => {
  const { status, out } = inNamespace('iptables -t nat -A OUTPUT -p udp -j RETURN; RUN; RUN; iptables-save -t nat; ip6tables-save -t nat', '10.0.0.1,fd00::1');
  t.is(status, 0, out);
  const rules = rulesOf(out);
  t.is(rules.filter((rule) => rule === '-A OUTPUT -p tcp -j WEFT_OUTBOUND').length, 2);
  t.true(rules.includes('-A WEFT_OUTBOUND -d ::1/128 -j RETURN'));
  t.true(rules.includes('-A WEFT_OUTBOUND -d fe80::/10 -j RETURN') && rules.includes('-A WEFT_INBOUND -d fe80::/10 -j RETURN'));
  t.true(rules.includes('-A OUTPUT -p udp -j RETURN'));
});

withKernel('what can not be done ends with a message and a status', (t) => {
  const { status, out } = inNamespace('PATH=/nowhere; RUN', '10.0.0.1');
  t.is(status, 1);
  t.regex(out, /could not redirect the TCP of this Pod.*iptables-save/);
});
