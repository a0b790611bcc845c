import { builtS3 } from './s3-server.ts';

// Builds what tests start and no package brings, so that it is there when they run: node platform/rig/build-tools.ts

console.log(`built ${await builtS3()}`);
