import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DnsServer, startDnsServer } from './dnsServer.ts'

/**
 * A name server for names below .test: each has the address 127.0.0.1, and the TXT records that stand, a line each, in the
 * file of that name, so that a client's hook can publish one with echo.
 */
export interface ZoneFolder {
  folder: string
  dns: DnsServer
  close(): Promise<void>
}

export async function startZoneFolder(): Promise<ZoneFolder> {
  const dns = await startDnsServer()
  const folder = mkdtempSync(join(tmpdir(), 'countersign-zone-'))
  // Some clients call their hooks as another user.
  chmodSync(folder, 0o777)
  dns.set('*.test', ({ name }) => ({ A: ['127.0.0.1'], TXT: recordsOf(join(folder, name)) }))
  return {
    folder,
    dns,
    async close() {
      await dns.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function recordsOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').filter(Boolean) : []
}
