import { join } from 'node:path'
import { root } from './bundle.ts'
import { curlEst } from './estCurl.ts'
import type { EstServer } from './estServer.ts'
import { succeed } from './program.ts'

const jars = ['bcpkix', 'bcprov', 'bcutil'].map((name) => `/usr/share/java/${name}.jar`)

/** What a message to /fullcmc came to. */
export interface CmcExchange {
  status: number
  /** The lines that Bouncy Castle has read in the answer. */
  read: string[]
}

/** CMC by the classes of Debian's Bouncy Castle and curl: test/interop/java/CmcClient.java lists the settings. */
export async function bouncyCastleCmc(server: EstServer) {
  const classes = server.file('cmc-classes')
  await succeed('javac', ['-cp', jars.join(':'), '-d', classes, join(root, 'test/interop/java/CmcClient.java')])
  const java = (operation: string, settings: Record<string, string>) =>
    succeed('java', [
      ...['-XX:TieredStopAtLevel=1', '-cp', [...jars, classes].join(':'), 'CmcClient', operation],
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ])
  let messages = 0
  return {
    /** Writes a message, sends it, and reads the answer. `out`: where the first certificate of the answer goes. */
    async exchange(label: string, { out, ...settings }: Record<string, string>): Promise<CmcExchange> {
      const body = await java('write', settings)
      const contentType = 'application/pkcs7-mime; smime-type=CMC-Request; name=smime.p7m'
      const { status, text } = await curlEst(server, { label, operation: 'fullcmc', body, contentType })
      messages += 1
      const answer = server.file(`cmc-answer-${messages}`, text)
      const read = await java('read', { in: answer, ...(out === undefined ? {} : { out }) })
      return { status, read: read.trim().split('\n') }
    },
  }
}
