import { join } from 'node:path'
import { root } from './bundle.ts'
import type { EstServer } from './estServer.ts'
import { type Ended, type RunningProgram, start, succeed } from './program.ts'

const jars = ['bcpkix', 'bcprov', 'bctls', 'bcutil'].map((name) => `/usr/share/java/${name}.jar`)

/** The EST client of Debian's Bouncy Castle, by test/interop/java/EstClient.java, which lists operations and settings. */
export interface BouncyCastle {
  begin(operation: string, settings: Record<string, string>): RunningProgram
  run(operation: string, settings: Record<string, string>): Promise<Ended>
  /** As run, and must end well. Gives what it printed. */
  succeed(operation: string, settings: Record<string, string>): Promise<string>
}

export async function bouncyCastle(server: EstServer): Promise<BouncyCastle> {
  const classes = server.file('classes')
  await succeed('javac', ['-cp', jars.join(':'), '-d', classes, join(root, 'test/interop/java/EstClient.java')])
  const begin: BouncyCastle['begin'] = (operation, settings) => {
    const all = { server: `localhost:${server.port}`, ca: server.process.rootPem, ...settings }
    const given = Object.entries(all).map(([name, value]) => `${name}=${value}`)
    const java = ['-XX:TieredStopAtLevel=1', '-cp', [...jars, classes].join(':'), 'EstClient']
    return start('java', [...java, operation, ...given], { timeout: 90_000 })
  }
  return {
    begin,
    run: (operation, settings) => begin(operation, settings).ended,
    async succeed(operation, settings) {
      const { code, stdout, stderr } = await begin(operation, settings).ended
      if (code !== 0) throw new Error(`Bouncy Castle's ${operation} ended with ${code}: ${stdout}${stderr}`)
      return stdout
    },
  }
}
