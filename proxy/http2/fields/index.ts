export { Collector } from './collector.ts';
export { HeaderBlock, type Excess, type Side } from './header-block.ts';
