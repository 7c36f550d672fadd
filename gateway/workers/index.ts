export { answerParent, forkWorker, hearTickets } from './process.ts';
export { Workers, type FromWorker, type ToWorker, type WorkerProcess } from './workers.ts';
