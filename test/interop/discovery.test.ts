import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'
import { freePorts } from '../helpers/ports.ts'
import { type RunningProgram, start } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

interface Answer {
  places: { place: string; outcome: string; certificates: { subject: string; source: string }[] }[]
}

describe('a server of others', () => {
  let at: CliInstallation
  let nginx: RunningProgram
  let place: string
  beforeAll(async () => {
    at = await startInstallation()
    const { workFolder: folder } = at.server
    const [port = 0] = await freePorts(1)
    place = `nginx.localhost:${port}`
    await at.openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '7'],
      ...[
        '-subj',
        '/CN=of nginx',
        '-addext',
        'subjectAltName=DNS:nginx.localhost',
        '-keyout',
        'nginx.key',
        '-out',
        'nginx.pem',
      ],
    )
    at.file('nginx.conf', nginxConfig(folder, port))
    nginx = start('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log'), '-p', folder])
    await until('nginx', () =>
      fetch(`http://127.0.0.1:${port}`).then(
        () => true as const,
        () => undefined,
      ),
    )
  })
  afterAll(async () => {
    nginx?.child.kill('SIGTERM')
    await at?.server.stop()
  })

  test('nginx with TLS 1.3 alone: its certificate is found, and new once', async () => {
    const found = { place, outcome: 'found', certificates: [{ subject: 'CN=of nginx', source: 'discovered' }] }
    expect(await at.json<Answer>(`discover ${place}`)).toMatchObject({ places: [found], newCertificates: 1 })
    expect(await at.json<Answer>(`discover ${place}`)).toMatchObject({ places: [found], newCertificates: 0 })
  })
})

const nginxConfig = (folder: string, port: number) => `
  daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log info;
  events {}
  http {
    access_log off; client_body_temp_path ${folder}/t1; proxy_temp_path ${folder}/t2;
    fastcgi_temp_path ${folder}/t3; uwsgi_temp_path ${folder}/t4; scgi_temp_path ${folder}/t5;
    server {
      listen 127.0.0.1:${port} ssl; server_name nginx.localhost;
      ssl_protocols TLSv1.3; ssl_certificate ${folder}/nginx.pem; ssl_certificate_key ${folder}/nginx.key;
      return 200;
    }
  }`
