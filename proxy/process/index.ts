export { anyAddress, readProcessSettings, VariableReader, type ProcessSettings, type Variables } from './settings.ts';
export { assembleProcess, type ProcessEnvironment, type ProcessLog, type ProcessParts } from './parts.ts';
export { runProcess, type RunningProxy } from './run.ts';
