// Tests on a real cluster, named by KUBECONFIG; kubectl must be on the PATH. One file after the other: they share the cluster.
export default {
  files: ['test/cluster/**/*.test.ts'],
  extensions: ['ts'],
  timeout: '10m',
  concurrency: 1,
  serial: true,
  require: ['./test/temporary.ts'],
  workerThreads: false,
};
