import test from 'ava';
import { anyAddress, readProcessSettings, VariableReader } from './settings.ts';

const complete = { POD_NAME: 'p', POD_NAMESPACE: 'shop', POD_IPS: '10.0.0.1,FD00:0::0001', WEFT_CONTROLLER: 'weft-controller.weft-system.svc:15010' };

test('what is not set has its default', (t) => {
  const reader = new VariableReader(complete);
  const settings = readProcessSettings(reader);
  t.deepEqual(reader.faults, []);
  t.deepEqual(settings.controller, { host: 'weft-controller.weft-system.svc', port: 15_010 });
  t.deepEqual(settings.podAddresses, ['10.0.0.1', 'fd00::1']);
  t.is(settings.drainMs, 30_000);
  t.is(settings.logLevel, 'info');
  t.is(settings.socketIO, 'public');
  t.false('stateFolder' in settings);
  t.is(anyAddress(settings), '::');
  t.is(anyAddress({ podAddresses: ['10.0.0.1'] }), '0.0.0.0');
});

const faults: readonly [variables: Record<string, string>, fault: string][] = [
  [{ POD_NAME: '' }, 'POD_NAME must be set'],
  [{ POD_IPS: 'x' }, 'POD_IPS: "x" is no IP address'],
  [{ WEFT_CONTROLLER: 'controller' }, 'WEFT_CONTROLLER must be name:port, not "controller"'],
  [{ WEFT_CONTROLLER: '10.0.0.1:15010' }, 'WEFT_CONTROLLER must be name:port, not "10.0.0.1:15010"'],
  [{ WEFT_ADMIN_PORT: 'tcp://10.0.0.1:80' }, 'WEFT_ADMIN_PORT must be a number from 0 to 65535, not "tcp://10.0.0.1:80"'],
  [{ WEFT_ADMIN_PORT: '1.5' }, 'WEFT_ADMIN_PORT must be a whole number'],
  [{ WEFT_DRAIN_SECONDS: '-1' }, 'WEFT_DRAIN_SECONDS must be a number from 0 to 86400, not "-1"'],
  [{ WEFT_LOG_LEVEL: 'loud' }, 'WEFT_LOG_LEVEL must be one of error, warn, info, debug, not "loud"'],
  [{ WEFT_SOCKET_IO: 'Raw' }, 'WEFT_SOCKET_IO must be one of public, raw, not "Raw"'],
  [{ WEFT_TRACE_SAMPLE: '2' }, 'WEFT_TRACE_SAMPLE must be a number from 0 to 1, not "2"'],
];

for (const [variables, fault] of faults) {
  test(fault, (t) => {
    const reader = new VariableReader({ ...complete, ...variables });
    readProcessSettings(reader);
    t.deepEqual(reader.faults, [fault]);
  });
}
