export { withAnswer } from './edits.ts';
export { RequestSession, type SessionInputs } from './session.ts';
export { sessionSettings, type SessionSettings } from './settings.ts';
