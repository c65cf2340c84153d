import { describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { server, useFastpkiApp } from '../helpers/fastpkiApp.ts'

const used = useFastpkiApp()

describe('the CRL of an authority', () => {
  it('has what was revoked, with its reason, in DER and PEM', async () => {
    const { app } = used
    const get = (path: string) => app.call('get', `//fastpki/${path}`, { by: null })
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('gone.test') })
    expect(readCrl((await get(`crl/issuing-${app.ca}`)).octets).entries).toEqual([])
    await app.call('post', `/certificates/${json.id}/revoke`, { body: { reason: 'Key compromise' } })
    const { octets } = await get(`crl/issuing-${app.ca}`)
    const crl = readCrl(octets)
    expect(crl.entries).toMatchObject([{ serial: json.serial_number, reason: 1 }])
    const authority = readCertificate((await get(`ca/issuing-${app.ca}.crt`)).octets)
    expect(verifyCrl(crl, authority.publicKey)).toBe(true)
    expect(pemDecode((await get(`crl/issuing-${app.ca}.pem`)).text)).toEqual([{ label: 'X509 CRL', der: octets }])
  })
})
