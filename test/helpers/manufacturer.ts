import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { EstServer } from './estServer.ts'
import { listening } from './listening.ts'
import { freePorts } from './ports.ts'
import { succeed } from './program.ts'

/** A manufacturer's PKI by openssl: a root, an issuing CA below it, and their CRLs on a port of this machine. */
export interface Manufacturer {
  /** PEM of the root. */
  anchor: string
  crlUrls: string[]
  /** A device's certificate, the issuing CA behind it, and its key, as files. */
  device(name: string): Promise<{ cert: string; key: string }>
  /** Revokes it, and publishes that. */
  revoke(cert: string): Promise<void>
  close(): Promise<void>
}

const CONFIG = `
[ca]
default_ca = c
[c]
dir = .
database = $dir/$ENV::CA.txt
new_certs_dir = $dir
certificate = $dir/$ENV::CA.pem
private_key = $dir/$ENV::CA.key
rand_serial = yes
default_md = sha256
default_days = 3650
default_crl_days = 30
unique_subject = no
policy = p
copy_extensions = copy
[p]
commonName = supplied
serialNumber = optional
[req]
prompt = no
distinguished_name = d
[d]
CN = $ENV::NAME
[ca_extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[device_extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:$ENV::NAME
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`

export async function createManufacturer(server: EstServer, name: string): Promise<Manufacturer> {
  const prefix = `manufacturer-${name}`
  const file = (name: string, text?: string) => server.file(`${prefix}-${name}`, text)
  const cwd = join(file('x'), '..')
  const config = file('openssl.cnf', CONFIG.replaceAll('$dir/$ENV::CA', `$dir/${prefix}-$ENV::CA`))
  const openssl = (args: string[], env: Record<string, string>) =>
    succeed('openssl', args, { cwd, env: { NAME: '', CA: '', ...env } })

  async function key(name: string): Promise<string> {
    const args = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    return file(`${name}.key`, await openssl(args, {}))
  }

  async function certify(by: string, id: string, name: string, extensions: string): Promise<string> {
    const own = await key(id)
    const csr = file(`${id}.csr`, await openssl(['req', '-new', '-key', own, '-config', config], { NAME: name }))
    const how = ['-batch', '-notext', '-extensions', extensions, ...(by === id ? ['-selfsign'] : [])]
    const to = ['-in', csr, '-out', file(`${id}.pem`), '-keyfile', file(`${by}.key`)]
    await openssl(['ca', '-config', config, ...how, ...to], { CA: by, NAME: name })
    return file(`${id}.pem`)
  }

  const publish = (ca: string) => openssl(['ca', '-config', config, '-gencrl', '-out', file(`${ca}.crl`)], { CA: ca })

  for (const ca of ['root', 'issuing']) file(`${ca}.txt`, '')
  await certify('root', 'root', `${name} Root`, 'ca_extensions')
  await certify('root', 'issuing', `${name} Issuing`, 'ca_extensions')
  for (const ca of ['root', 'issuing']) await publish(ca)
  const [port = 0] = await freePorts(1)
  const web = createServer(({ url }, response) => {
    const ca = url === '/root.crl' ? 'root' : 'issuing'
    response.end(readFileSync(file(`${ca}.crl`)))
  })
  const close = await listening(web, port)
  return {
    anchor: readFileSync(file('root.pem'), 'utf8'),
    crlUrls: ['root', 'issuing'].map((ca) => `http://127.0.0.1:${port}/${ca}.crl`),
    async device(name) {
      const leaf = readFileSync(await certify('issuing', name, name, 'device_extensions'), 'utf8')
      const cert = file(`${name}-chain.pem`, `${leaf}${readFileSync(file('issuing.pem'), 'utf8')}`)
      return { cert, key: file(`${name}.key`) }
    },
    async revoke(cert) {
      await openssl(['ca', '-config', config, '-revoke', cert, '-crl_reason', 'keyCompromise'], { CA: 'issuing' })
      await publish('issuing')
    },
    close,
  }
}
