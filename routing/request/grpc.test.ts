import test from 'ava';
import { callOf, isGrpc } from './grpc.ts';

test('gRPC is told by its content type, parameters and encodings aside', (t) => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc;x=y', 'application/grpc ; x=y', 'application/grpc\t', 'Application/GRPC']) t.true(isGrpc(type), type);
  for (const type of [undefined, '', 'application/grpc-web', 'application/grpc-web+proto', 'application/grpcx', 'application/json', 'x application/grpc', 'text/application/grpc']) t.false(isGrpc(type), type);
});

test('a call is a service and a method, and no other path is one', (t) => {
  t.deepEqual(callOf('/a.B/Get'), { service: 'a.B', method: 'Get' });
  t.deepEqual(callOf('/a/b'), { service: 'a', method: 'b' });
  for (const path of ['/', '//', '/a', '/a/', '//b', '/a/b/', '/a/b/c', '///', '/a//b']) t.is(callOf(path), undefined, path);
});
