/**
 * Loaded into the gateway's process (`--import`): how late its event loop is. A timer of a millisecond is awaited again and again; what it
 * comes too late is a gap in which nothing else ran either. Answers `read` with the gaps since `reset`, in milliseconds.
 */
const gaps: number[] = [];
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  gaps.push(now - last);
  last = now;
}, 1).unref();

process.on('message', (message) => {
  if (message === 'reset') gaps.length = 0;
  else process.send?.(gaps);
});
process.channel?.unref();
