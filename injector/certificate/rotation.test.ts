import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import test from 'ava';
import { startAdmission } from '../server/server.ts';
import { CertificateKeeper, type CertificateCluster } from './keeper.ts';
import { readRing } from './keyring.ts';
import { makePair, serialNumber, type Pair } from './make.ts';
import { bundleOf, stepOf } from './rotation.ts';

const timing = { lifetimeMs: 9000, renewBeforeMs: 3000, overlapMs: 600 };

function pair(since: number): Pair {
  return { authority: `authority ${since}`, certificate: `certificate ${since}`, key: 'key', since, notAfter: since + timing.lifetimeMs };
}

/** A cluster in memory with two webhooks; a write is refused when someone else wrote in between, as the API server does it. */
class MemoryCluster implements CertificateCluster {
  text: string | undefined;
  version = 0;
  readonly bundles = new Map([['namespace', ''], ['pod', '']]);
  /** Called between reading and writing. */
  meanwhile: (() => void) | undefined;
  unwritable = false;

  async readRing() {
    return this.text === undefined ? undefined : { text: this.text, version: `${this.version}` };
  }

  async writeRing(text: string, version: string | undefined) {
    this.meanwhile?.();
    if (version !== (this.text === undefined ? undefined : `${this.version}`)) return false;
    this.text = text;
    this.version += 1;
    return true;
  }

  async readBundles() {
    return new Map(this.bundles);
  }

  async writeBundles(names: readonly string[], pem: string) {
    if (this.unwritable) throw new Error('forbidden');
    for (const name of names) this.bundles.set(name, pem);
  }
}

function replica(cluster: CertificateCluster, clock: { now: number }) {
  const served: string[] = [];
  const keeper = new CertificateKeeper({ cluster, timing, now: () => clock.now, make: async (now) => pair(now), serve: ({ certificate }) => served.push(certificate) });
  return { served, turn: () => keeper.turn() };
}

test('a life: made, served, renewed with both trusted, the old one forgotten', async (t) => {
  const cluster = new MemoryCluster();
  const clock = { now: 0 };
  const { turn, served } = replica(cluster, clock);
  const at = async (now: number): Promise<readonly string[]> => {
    clock.now = now;
    await turn();
    t.is(cluster.bundles.get('pod'), cluster.bundles.get('namespace'));
    return cluster.bundles.get('pod')!.trim().split('\n');
  };
  t.deepEqual(await at(0), ['authority 0']);
  t.deepEqual(await at(5999), ['authority 0']);
  t.deepEqual(await at(6000), ['authority 0', 'authority 6000']);
  t.deepEqual(await at(6599), ['authority 0', 'authority 6000']);
  t.deepEqual(served, ['certificate 0']);
  t.deepEqual(await at(6600), ['authority 6000', 'authority 0']);
  t.deepEqual(served, ['certificate 0', 'certificate 6000']);
  t.deepEqual(await at(7200), ['authority 6000']);
});

test('whatever any replica serves at any time is trusted at that time', async (t) => {
  const cluster = new MemoryCluster();
  const clock = { now: 0 };
  const replicas = [replica(cluster, clock), replica(cluster, clock), replica(cluster, clock)];
  for (; clock.now < 60_000; clock.now += 50) {
    // Each looks at times of its own, less than the overlap apart.
    for (const [index, { turn }] of replicas.entries()) if (clock.now % (150 + 100 * index) === 0) await turn();
    for (const { served } of replicas) {
      const certificate = served.at(-1);
      if (certificate !== undefined) t.true(cluster.bundles.get('pod')!.includes(certificate.replace('certificate', 'authority')), `at ${clock.now}: ${certificate}`);
    }
  }
  t.true(replicas[0]!.served.length > 5);
});

test('a pair that is found shortly before its end is replaced before it', async (t) => {
  const cluster = new MemoryCluster();
  const clock = { now: 0 };
  const { turn, served } = replica(cluster, clock);
  await turn();
  // Away until 400 before its end, which is less than the overlap.
  for (clock.now = 8600; clock.now < 9000; clock.now += 50) await turn();
  t.deepEqual(served, ['certificate 0', 'certificate 8600']);
  t.true(cluster.bundles.get('pod')!.includes('authority 0'));
});

test('replicas that start at once agree', async (t) => {
  const cluster = new MemoryCluster();
  const [first, second] = [replica(cluster, { now: 0 }), replica(cluster, { now: 7 })];
  cluster.meanwhile = () => {
    cluster.meanwhile = undefined;
    cluster.text = JSON.stringify({ current: pair(7) });
    cluster.version += 1;
  };
  await first.turn();
  t.deepEqual(first.served, []);
  await first.turn();
  await second.turn();
  t.deepEqual([first.served, second.served], [['certificate 7'], ['certificate 7']]);
});

test('a Secret that was deleted or spoilt comes back as it was', async (t) => {
  const cluster = new MemoryCluster();
  const { turn, served } = replica(cluster, { now: 0 });
  await turn();
  const text = cluster.text;
  for (const spoilt of [undefined, '{}']) {
    cluster.text = spoilt;
    await turn();
    t.is(cluster.text, text);
  }
  t.deepEqual(served, ['certificate 0']);
});

test('nothing new is served while the API server does not trust it', async (t) => {
  const cluster = new MemoryCluster();
  const clock = { now: 0 };
  const { turn, served } = replica(cluster, clock);
  await turn();
  cluster.unwritable = true;
  for (clock.now = 6000; clock.now < 8900; clock.now += 100) await t.throwsAsync(turn, { message: 'forbidden' });
  t.deepEqual(served, ['certificate 0']);
  cluster.unwritable = false;
  await turn();
  clock.now += 50;
  await turn();
  t.deepEqual(served, ['certificate 0', 'certificate 6000']);
});

test('a Secret that holds something else counts as none; an expired pair is replaced at once', (t) => {
  for (const text of [undefined, '', 'null', '{}', '{"current":{}}', '{"current":7}']) t.is(readRing(text), undefined);
  t.deepEqual(readRing(JSON.stringify({ current: pair(1) })), { current: pair(1) });
  t.deepEqual(stepOf({ current: pair(0) }, [], 9000, timing), { kind: 'create' });
  t.deepEqual(stepOf({ current: pair(0), next: pair(6000) }, [], 9000, timing), { kind: 'write', ring: { current: pair(6000) } });
});

test('a serial number is positive and has no byte too many, whatever was drawn', (t) => {
  const drawn = (...first: readonly number[]): string => serialNumber(Uint8Array.from({ length: 16 }, (_, index) => first[index] ?? 7));
  t.is(drawn(0, 0), '4000' + '07'.repeat(14));
  t.is(drawn(0, 0x7f), '407f' + '07'.repeat(14));
  t.is(drawn(0xff), '7f' + '07'.repeat(15));
});

test('a pair: the authority signs the name of the Service, and a client that trusts the bundle connects', async (t) => {
  const names = ['weft-injector.weft-system.svc', 'weft-injector.weft-system.svc.cluster.local'];
  const [first, second] = await Promise.all([1, 2].map(() => makePair({ names, lifetimeMs: 3_600_000, now: Date.now() })));
  const certificate = new X509Certificate(first!.certificate);
  const authority = new X509Certificate(first!.authority);
  t.true(certificate.verify(authority.publicKey) && certificate.checkIssued(authority));
  t.false(certificate.ca);
  t.true(authority.ca);
  t.is(certificate.subjectAltName, names.map((name) => `DNS:${name}`).join(', '));
  t.like(certificate.publicKey.asymmetricKeyDetails!, { modulusLength: 2048 });

  const server = await startAdmission({ port: 0, address: '127.0.0.1', now: () => 0, answered: () => {}, inject: () => ({ kind: 'skip', reason: '' }) });
  const trusts = (ca: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect({ port: server.port, host: '127.0.0.1', servername: names[0]!, ca }, () => {
        resolve('yes');
        socket.destroy();
      });
      socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? error.message));
    });
  const bundle = bundleOf({ current: first!, next: second! });
  t.not(await trusts(bundle), 'yes');
  server.certify(first!);
  t.is(await trusts(bundle), 'yes');
  t.not(await trusts(second!.authority), 'yes');
  server.certify(second!);
  t.is(await trusts(bundle), 'yes');
  await server.close();
});
