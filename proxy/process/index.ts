export { anyAddress, readProcessSettings, readWorkers, VariableReader, type ProcessSettings, type Variables } from './settings.ts';
export { assembleProcess, type AdminState, type ProcessEnvironment, type ProcessLog, type ProcessParts } from './parts.ts';
export { prepareV8 } from './v8.ts';
export { runProcess, type RunningProxy } from './run.ts';
