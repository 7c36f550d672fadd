export type * from './messages.ts';
export { channelPair, type Deliver } from './channel.ts';
export { adoptResponse, decodeRequest, decodeResponse, maxMessageLength, resourceKinds } from './codec.ts';
export { IncomingMessage, readInSteps, type Pause } from './incoming.ts';
export { Publisher, maxSubscriptions, type Published, type PublisherEnvironment, type ResourceView, type TypeProgress } from './publisher.ts';
export { references, referencesInSteps, type ResourceId } from './references.ts';
export { Subscriber, unusedGrace, type SubscriberEnvironment, type Update } from './subscriber.ts';
export { keepConnected, type Link, type LinkEnvironment } from './link.ts';
