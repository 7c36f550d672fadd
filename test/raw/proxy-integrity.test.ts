import './raw.ts';
import '../component/proxy-integrity.test.ts';
