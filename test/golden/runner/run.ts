import test from 'ava';
import { createMesh, type Mesh } from '#mesh';
import { casesOf, expectationFrom, type GoldenCase } from './cases.ts';
import { fillCertificates } from './certificates.ts';
import { createClient, type Client, type Entrances } from './client.ts';
import { checkDecision } from './tables/decisions.ts';
import { startWorkloads, type Workloads } from './echo.ts';
import { checkExplanation } from './explanations.ts';
import { hasIPv6, takeLane, type Lane } from './lane.ts';
import { checkPolicy } from './policies.ts';
import { checkProblem, checkStatus } from './statuses.ts';
import { checkTraffic } from './traffic.ts';
import { translateCase } from './translated.ts';

interface RegisteredCase extends GoldenCase {
  readonly group: string;
}

/** Registers the tests of a folder of cases: what the control plane says of each, what the route tables decide, what proxies do. */
export function runGroup(group: string): void {
  for (const each of casesOf(group).map((golden) => ({ ...golden, group }))) {
    registerTranslation(each);
    registerDecisions(each);
    registerExplanations(each);
    registerTraffic(each);
  }
}

function registerTranslation({ group, name, input, expectation }: RegisteredCase): void {
  test(`${group}/${name}: control plane`, (t) => {
    const translated = translateCase(input);
    // Objects that can't be read are in cases on purpose only.
    const spoken = new Set((expectation.problems ?? []).map(({ object }) => object));
    const surprises = translated.unreadable.filter(({ object }) => object === undefined || !spoken.has(`${object.kind}/${object.namespace}/${object.name}`));
    t.deepEqual(surprises.map(({ message }) => message), []);
    for (const status of expectation.statuses ?? []) checkStatus(t, translated.translation.statuses, status);
    for (const policy of expectation.policy ?? []) checkPolicy(t, translated, policy);
    for (const problem of expectation.problems ?? []) checkProblem(t, translated, problem);
  });
}

function registerDecisions({ group, name, input, expectation }: RegisteredCase): void {
  const { requests } = expectation;
  if (requests === undefined) return;
  test(`${group}/${name}: route tables`, (t) => {
    const translated = translateCase(input);
    for (const request of requests) checkDecision(t, translated, request);
    t.pass();
  });
}

function registerExplanations({ group, name, input, expectation }: RegisteredCase): void {
  const { requests } = expectation;
  if (requests === undefined) return;
  test(`${group}/${name}: weft explain`, (t) => {
    const translated = translateCase(input);
    for (const request of requests) checkExplanation(t, translated, request);
    t.pass();
  });
}

/** Added to the ports of every Gateway and sidecar, so that no case needs the right to bind port 80. */
const portOffset = 20_000;

/** The real thing: proxies and workloads on loopback, with addresses that no other run uses. Serial, because it is about time too. */
function registerTraffic({ group, name, input, expect, expectation }: RegisteredCase): void {
  if (expectation.requests === undefined && expectation.running === undefined) return;
  test.serial(`${group}/${name}: proxies`, async (t) => {
    if (/podIP: "::1"/.test(input) && !(await hasIPv6())) {
      t.pass('this system has no IPv6');
      return;
    }
    const lane = await takeLane();
    if (lane === undefined) {
      t.pass('this system has no loopback address but 127.0.0.1');
      return;
    }
    const { requests = [], running: statuses = [] } = expectationFrom(lane.place(expect), name);
    const running = await startCase(lane, fillCertificates(lane.place(input)));
    try {
      for (const request of requests) await checkTraffic(t, running, request);
      for (const status of statuses) checkStatus(t, running.mesh.statuses(), status);
      t.pass();
    } finally {
      await running.close();
    }
  });
}

interface RunningCase {
  readonly mesh: Mesh;
  readonly client: Client;
  readonly workloads: Workloads;
  readonly portOffset: number;
  close(): Promise<void>;
}

async function startCase(lane: Lane, manifests: string): Promise<RunningCase> {
  const workloads = await startWorkloads(translateCase(manifests).state);
  let client: Client | undefined;
  let mesh: Mesh | undefined;
  const close = async (): Promise<void> => {
    client?.close();
    await mesh?.close();
    await workloads.close();
    await lane.release();
  };
  try {
    mesh = await createMesh({ manifests, portOffset, loopback: `127.${lane.number}.200.1` });
    client = createClient(entrancesOf(mesh));
    return { mesh, client, workloads, portOffset, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function entrancesOf(mesh: Mesh): Entrances {
  return {
    gateway: (key, port) => {
      const gateway = mesh.gateway(key);
      if (gateway === undefined) throw new Error(`Gateway ${key} does not run`);
      return { address: gateway.address, port: gateway.port(port) };
    },
    sidecar: (key) => {
      const sidecar = mesh.sidecar(key);
      if (sidecar === undefined) throw new Error(`Pod ${key} has no sidecar`);
      return sidecar;
    },
  };
}
