import './raw.ts';
import test from 'ava';
import { socketIO } from '../component/socket-io.ts';

test('the tests of this folder run with raw socket I/O', (t) => {
  t.is(socketIO.mode, 'raw');
});
