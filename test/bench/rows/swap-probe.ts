/**
 * Loaded into the gateway's process (`--import`): how late its event loop is. A timer of a millisecond is awaited again and again; what it
 * comes too late is a gap in which nothing else ran either. Answers `read` with the gaps since `reset`: how long each was, and how much of the
 * processor the thread used in it. Where the machine is busy with other things, the latter is what the proxy can be blamed for. Milliseconds.
 */
const gaps: { readonly wall: number; readonly cpu: number }[] = [];
let last = performance.now();
let used = cpuNow();
setInterval(() => {
  const [now, cpu] = [performance.now(), cpuNow()];
  gaps.push({ wall: now - last, cpu: cpu - used });
  [last, used] = [now, cpu];
}, 1).unref();

function cpuNow(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

process.on('message', (message) => {
  if (message === 'reset') gaps.length = 0;
  else process.send?.(gaps);
});
process.channel?.unref();
