export default {
  files: ['**/*.test.ts', '!test/cluster/**', '!test/bench/**'],
  extensions: ['ts'],
  timeout: '60s',
  require: ['./test/end.ts', './test/seed.ts', './test/temporary.ts'],
  // Worker threads share the process, so real sockets and CPU-time readings would disturb each other.
  workerThreads: false,
};
