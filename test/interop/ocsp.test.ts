import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, legoOf, requireSuccess } from '../helpers/acmeClients.ts'
import { freePorts } from '../helpers/ports.ts'
import { type RunningProgram, run, start, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'
import { until } from '../helpers/until.ts'

const names = { good: 'good.localhost', revoked: 'revoked.localhost', stapled: 'stapled.localhost' }

describe('OCSP as Debian’s programs see it', () => {
  let server: ServerProcess
  let good: CertificateFiles
  let revoked: CertificateFiles
  let stapled: CertificateFiles
  let url: string

  beforeAll(async () => {
    server = await startServer()
    const lego = legoOf(server)
    for (const name of Object.values(names)) requireSuccess(await lego.run('run', [name]))
    good = lego.files(names.good)
    revoked = lego.files(names.revoked)
    stapled = lego.files(names.stapled)
    requireSuccess(await lego.run('revoke', [names.revoked], { args: ['--keep'] }))
    url = (await succeed('openssl', ['x509', '-in', good.cert, '-noout', '-ocsp_uri'])).trim()
  })
  afterAll(() => server.stop())

  const trust = () => ['-CAfile', server.rootPem, '-verify_other', good.chain]
  const file = (name: string) => join(server.workFolder, name)

  async function openssl(cert: string, ...args: string[]): Promise<string> {
    const asked = ['ocsp', ...args.filter((arg) => arg.startsWith('-sha')), '-issuer', good.chain, '-cert', cert]
    const more = args.filter((arg) => !arg.startsWith('-sha'))
    const { stdout, stderr } = await run('openssl', [...asked, '-url', url, ...trust(), ...more], { timeout: 30_000 })
    return `${stdout}${stderr}`
  }

  it.each([
    ['SHA-1', '-sha1'],
    ['SHA-256', '-sha256'],
  ])('openssl ocsp by %s, with a nonce and without', async (_, hash) => {
    for (const nonce of ['-nonce', '-no_nonce']) {
      const text = await openssl(good.cert, hash, nonce)
      expect(text).toContain('Response verify OK')
      expect(text).toContain(`${good.cert}: good`)
      expect(text).not.toContain('WARNING: no nonce in response')
      expect(await openssl(revoked.cert, hash, nonce)).toContain(`${revoked.cert}: revoked`)
    }
  })

  it('two certificates in one request', async () => {
    const text = await openssl(good.cert, '-cert', revoked.cert)
    expect(text).toContain(`${good.cert}: good`)
    expect(text).toContain(`${revoked.cert}: revoked`)
  })

  it('curl gets what openssl asked, by GET, and the second time it is told that nothing has changed', async () => {
    const request = file('request.der')
    const asked = ['ocsp', '-issuer', good.chain, '-cert', good.cert, '-no_nonce']
    await succeed('openssl', [...asked, '-reqout', request])
    const encoded = encodeURIComponent(readFileSync(request).toString('base64'))
    const head = await succeed('curl', ['-sS', '-D', '-', '-o', file('answer.der'), `${url}/${encoded}`])
    expect(head).toContain('application/ocsp-response')
    const answer = await run('openssl', [...asked, '-respin', file('answer.der'), ...trust()])
    expect(`${answer.stdout}${answer.stderr}`).toContain('Response verify OK')
    const [, tag = ''] = /^etag: (.*)$/im.exec(head) ?? []
    const again = ['-sS', '-o', file('nothing'), '-w', '%{http_code}', '-H', `If-None-Match: ${tag.trim()}`]
    expect(await succeed('curl', [...again, `${url}/${encoded}`])).toBe('304')
  })

  it('gnutls ocsptool verifies both', async () => {
    const ask = async (cert: string) => {
      const files = ['--load-cert', cert, '--load-issuer', good.chain, '--load-trust', good.chain]
      const { stdout, stderr } = await run('ocsptool', [`--ask=${url}`, ...files], { timeout: 30_000 })
      return `${stdout}${stderr}`
    }
    const first = await ask(good.cert)
    expect(first).toContain('Certificate Status: good')
    expect(first).toContain('Verifying OCSP Response: Success')
    const second = await ask(revoked.cert)
    expect(second).toContain('Certificate Status: revoked')
    expect(second).toContain('Verifying OCSP Response: Success')
  })

  describe('stapled by nginx', () => {
    let nginx: RunningProgram
    let port: number

    beforeAll(async () => {
      const [free = 0] = await freePorts(1)
      port = free
      writeFileSync(file('trust.pem'), `${readFileSync(stapled.chain, 'utf8')}${readFileSync(server.rootPem, 'utf8')}`)
      writeFileSync(file('nginx.conf'), nginxConfig())
      nginx = start('nginx', ['-c', file('nginx.conf'), '-e', file('nginx-error.log'), '-p', server.workFolder])
    })
    afterAll(async () => {
      nginx.child.kill('SIGTERM')
      await nginx.ended
    })

    const nginxConfig = () => `
      daemon off; master_process off; pid ${file('nginx.pid')}; error_log ${file('nginx-error.log')} info;
      events {}
      http {
        access_log off; client_body_temp_path ${file('t1')}; proxy_temp_path ${file('t2')};
        fastcgi_temp_path ${file('t3')}; uwsgi_temp_path ${file('t4')}; scgi_temp_path ${file('t5')};
        server {
          listen 127.0.0.1:${port} ssl; server_name ${names.stapled};
          ssl_certificate ${stapled.fullchain}; ssl_certificate_key ${stapled.key};
          ssl_trusted_certificate ${file('trust.pem')};
          ssl_stapling on; ssl_stapling_verify on;
          return 200 "served\\n";
        }
      }`

    it('openssl s_client sees the staple, and curl --cert-status is content with it', async () => {
      const ask = async () => {
        const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', names.stapled, '-status']
        return (await run('openssl', [...args, '-CAfile', server.rootPem], { input: '', timeout: 10_000 })).stdout
      }
      // nginx asks for the answer when the first client has wanted it.
      await until('a staple', async () =>
        (await ask()).includes('OCSP Response Status: successful') ? true : undefined,
      )
      expect(await ask()).toContain('Cert Status: good')
      const there = ['--connect-to', `${names.stapled}:${port}:127.0.0.1:${port}`, `https://${names.stapled}:${port}/`]
      expect(await succeed('curl', ['-sS', '--cert-status', '--cacert', server.rootPem, ...there])).toBe('served\n')
      expect(readFileSync(file('nginx-error.log'), 'utf8')).not.toMatch(/OCSP|stapling/i)
    })
  })
})
