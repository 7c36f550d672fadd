import './raw.ts';
import '../component/proxy-lifecycle.test.ts';
