/**
 * All sockets of HTTP/1.1, clients' and instances', read into the same memory: what comes in is used, passed on or copied
 * before the next one reads. So an idle connection costs no buffer, and no read has to allocate one.
 */
export const sharedMemory = Buffer.allocUnsafeSlow(65_536);
