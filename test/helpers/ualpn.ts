import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningProgram, start } from './program.ts'
import { until } from './until.ts'

/** Debian's ualpn, which answers tls-alpn-01 on one port and hands all else on. */
export interface Ualpn {
  /** Where its client mode tells it what to answer. */
  socket: string
  stop(): Promise<void>
}

export async function startUalpn(folder: string, port: number, backend: number): Promise<Ualpn> {
  const socket = join(folder, 'ualpn.sock')
  const at = ['--bind', `127.0.0.1@${port}`, '--connect', `127.0.0.1@${backend}`, '--num-workers', '1']
  const own = ['--sock', socket, '--pidfile', join(folder, 'ualpn.pid')]
  const program: RunningProgram = start('ualpn', ['-v', ...at, ...own], { timeout: 600_000 })
  await until('ualpn to listen', async () => {
    if (program.child.exitCode !== null) throw new Error(`ualpn ended: ${program.output().stderr}`)
    return existsSync(socket) || undefined
  })
  return {
    socket,
    async stop() {
      program.child.kill('SIGTERM')
      await program.ended
    },
  }
}
