import { runService } from '../kit/service.ts';
import { web } from './service.ts';

await runService(web);
