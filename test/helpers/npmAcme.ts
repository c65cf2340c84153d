import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { createSecureContext, createServer } from 'node:tls'
import acme, { type Authorization, type Client } from 'acme-client'
import type { CertificateFiles } from './acmeClients.ts'
import { listening } from './listening.ts'
import { cutChain } from './pemChain.ts'
import type { ServerProcess } from './serverProcess.ts'

export { acme }

/** A client of the npm package acme-client with a new account key. It has one axios for all, and that trusts this server. */
export async function npmClientOf(server: ServerProcess, options: Partial<acme.ClientOptions> = {}): Promise<Client> {
  acme.axios.defaults.httpsAgent = new Agent({ ca: readFileSync(server.rootPem) })
  const accountKey = await acme.crypto.createPrivateEcdsaKey()
  const patience = { backoffAttempts: 20, backoffMin: 100, backoffMax: 2_000 }
  return new acme.Client({ directoryUrl: server.directory, accountKey, ...patience, ...options })
}

export type Answer = (authorization: Authorization, challenge: { token: string }, key: string) => Promise<void>

/** How a type of challenge is answered, and how the answer is taken back. */
export interface Solver {
  type: string
  put: Answer
  remove: Answer
}

/** Into a folder that a web server serves. */
export const byHttp = (folder: string): Solver => ({
  type: 'http-01',
  put: async (_, { token }, key) => writeFileSync(join(folder, token), key),
  remove: async (_, { token }) => rmSync(join(folder, token)),
})

/** Into a folder that a name server reads. */
export function byDns(folder: string): Solver {
  const file = ({ identifier }: Authorization) => join(folder, `_acme-challenge.${identifier.value}`)
  return {
    type: 'dns-01',
    put: async (authorization, _, key) => appendFileSync(file(authorization), `${key}\n`),
    remove: async (authorization) => rmSync(file(authorization), { force: true }),
  }
}

/** By a TLS server of its own; close() ends it. */
export async function byTls(port: number): Promise<Solver & { close(): Promise<void> }> {
  const contexts = new Map<string, ReturnType<typeof createSecureContext>>()
  const server = createServer({
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (name, done) => done(null, contexts.get(name)),
  })
  const close = await listening(server, port)
  return {
    type: 'tls-alpn-01',
    async put(authorization, _, proof) {
      const [key, cert] = await acme.crypto.createAlpnCertificate(authorization, proof)
      contexts.set(authorization.identifier.value, createSecureContext({ key, cert }))
    },
    remove: async ({ identifier }) => void contexts.delete(identifier.value),
    close,
  }
}

/** A whole order by the client's own automatic mode. The files are written to `folder`. */
export async function orderBy(
  client: Client,
  { solver, names, folder }: { solver: Solver; names: [string, ...string[]]; folder: string },
): Promise<CertificateFiles> {
  const [key, csr] = await acme.crypto.createCsr({ altNames: names })
  const chain = await client.auto({
    csr,
    termsOfServiceAgreed: true,
    // It would look at port 80 itself.
    skipChallengeVerification: true,
    challengePriority: [solver.type],
    challengeCreateFn: solver.put,
    challengeRemoveFn: solver.remove,
  })
  const stem = join(folder, `npm-${names[0].replace('*', '_')}`)
  writeFileSync(`${stem}.key`, key)
  writeFileSync(`${stem}.pem`, chain)
  return cutChain(`${stem}.pem`, `${stem}.key`)
}
