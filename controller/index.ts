export type * from './types.ts';
export { translate } from './translate.ts';
export { renderEndpoints } from './render/endpoints.ts';
export { isBuiltIn, withBuiltIns } from './built-ins.ts';
export { injectLabel, isInjected } from './injection.ts';
export * from './names.ts';
export * from './push/index.ts';
export * from './source/index.ts';
