import { runService } from '../kit/service.ts';
import { identity } from './service.ts';

await runService(identity);
