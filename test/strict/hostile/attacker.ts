import { setPriority } from 'node:os';
import { handshakeAttacks } from './attacks/handshakes.ts';
import { http1Attacks } from './attacks/http1.ts';
import { http2Attacks } from './attacks/http2.ts';
import { otherAttacks } from './attacks/others.ts';
import type { Targets } from './attacks/sockets.ts';

/** `node attacker.ts <attack> <targets> <own|shared>`, forked: attacks each time it is told to, and tells what came of it. */

const [name = '', targets = '{}', cores = 'shared'] = process.argv.slice(2);
const attack = { ...http1Attacks, ...http2Attacks, ...handshakeAttacks, ...otherAttacks }[name];
if (attack === undefined) throw new Error(`no attack ${name}`);
// Where its core is not seen to, it must not take time from who is attacked.
if (cores === 'shared') setPriority(15);
process.on('message', () => void attack(JSON.parse(targets) as Targets).then((told) => process.send!(told)));
process.on('disconnect', () => process.exit());
process.send!('ready');
