import { runService } from '../kit/service.ts';
import { streamService } from './service.ts';

await runService(streamService);
