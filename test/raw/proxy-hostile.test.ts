import './raw.ts';
import '../component/proxy-hostile.test.ts';
