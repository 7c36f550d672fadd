export { assignAddresses, type AddressRange } from './addresses.ts';
export { stampTimes, stampTimesInSteps } from './stamp.ts';
export { createController, type Controller, type ControllerEnvironment, type Hearsay, type Report } from './controller.ts';
export { Sessions, type Rejection, type SessionProgress, type SessionsEnvironment } from './sessions.ts';
export { publish, viewOf } from './view.ts';
export type { Shortfall } from './feedback.ts';
