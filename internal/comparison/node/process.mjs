// What the programs here share: they tell the test their address, and their CPU time
// whenever it asks, and end with their input.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

export function serve(handle) {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
  createInterface({ input: process.stdin })
    .on('line', () => {
      const { user, system } = process.cpuUsage();
      console.log(String((user + system) * 1000));
    })
    .on('close', () => process.exit(0));
}
