import { setPriority } from 'node:os';
import { http1Attacks } from './attacks/http1.ts';
import { http2Attacks } from './attacks/http2.ts';
import { otherAttacks } from './attacks/others.ts';
import type { Targets } from './attacks/sockets.ts';

/** `node attacker.ts <attack> <targets>`: attacks, in a process of its own, and tells in one line of JSON what came of it. */

const [name = '', targets = '{}'] = process.argv.slice(2);
const attack = { ...http1Attacks, ...http2Attacks, ...otherAttacks }[name];
if (attack === undefined) throw new Error(`no attack ${name}`);
// An attacker has a machine of its own: where it has not, it must not take time from who is attacked.
setPriority(15);
console.log(JSON.stringify(await attack(JSON.parse(targets) as Targets)));
process.exit();
