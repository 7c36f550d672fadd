export { collectorPattern, defaultInjection, injectionSchema, logLevels, logLevelSchema, pullPolicySchema, readInjectionConfig, resourcesSchema, socketIOSchema, terminationDelaySchema, type InjectionConfig, type LogLevel, type Resources } from './configuration.ts';
export { injectionFor } from './patch/injection.ts';
export { applyOperations } from './patch/apply.ts';
export { injectedLabel, injectLabel, ports, proxyContainer, proxyUid, systemNamespaces } from './names.ts';
export type { Injection, NamespaceFacts, Operation } from './patch/types.ts';
