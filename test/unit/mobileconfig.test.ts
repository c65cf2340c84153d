import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mobileconfig, type Wanted } from '../../src/cli/mobileconfig.ts'
import { failure } from '../helpers/people.ts'

const wanted: Wanted = {
  profile: 'devices',
  url: 'https://ca.example.org:8443/scep/devices',
  challenge: 'A<B>&"C\'',
  keySize: 2048,
}

/** Read by the parser of another house. */
function read(...documents: string[]) {
  const program =
    'import sys,json,plistlib; print(json.dumps([plistlib.loads(d.encode()) for d in json.load(sys.stdin)]))'
  const output = execFileSync('python3', ['-c', program], { input: JSON.stringify(documents) })
  return JSON.parse(output.toString())
}

describe('an Apple configuration profile', () => {
  test('has one SCEP payload, with the challenge as it was given', () => {
    const [{ PayloadContent: payloads, ...outer }] = read(
      mobileconfig({
        ...wanted,
        subject: 'CN=phone 17,O=A & B,SERIALNUMBER=9',
        dns: ['a.example.org'],
        email: 'a@b.example',
      }),
    )
    expect(outer).toMatchObject({
      PayloadType: 'Configuration',
      PayloadVersion: 1,
      PayloadIdentifier: 'countersign.scep.devices',
    })
    expect(payloads).toHaveLength(1)
    const [{ PayloadContent: content, ...payload }] = payloads
    expect(payload).toMatchObject({ PayloadType: 'com.apple.security.scep', PayloadVersion: 1 })
    expect(payload.PayloadUUID).not.toBe(outer.PayloadUUID)
    expect(content).toEqual({
      URL: wanted.url,
      Name: 'devices',
      Challenge: wanted.challenge,
      'Key Type': 'RSA',
      'Key Usage': 5,
      Keysize: 2048,
      Retries: 10,
      RetryDelay: 30,
      Subject: [[['2.5.4.5', '9']], [['O', 'A & B']], [['CN', 'phone 17']]],
      SubjectAltName: { dNSName: 'a.example.org', rfc822Name: 'a@b.example' },
    })
  })

  test('several names are an array; what was not given is not there', () => {
    const [many, none] = read(mobileconfig({ ...wanted, dns: ['a.example', 'b.example'] }), mobileconfig(wanted))
    expect(many.PayloadContent[0].PayloadContent.SubjectAltName).toEqual({ dNSName: ['a.example', 'b.example'] })
    expect(Object.keys(none.PayloadContent[0].PayloadContent)).not.toContain('SubjectAltName')
    expect(Object.keys(none.PayloadContent[0].PayloadContent)).not.toContain('Subject')
  })

  test('any text comes out as it went in, or is refused', () => {
    const texts = fc.sample(fc.string({ unit: 'grapheme', minLength: 1 }), 200)
    const kept: string[] = []
    const documents = texts.flatMap((challenge) => {
      try {
        const xml = mobileconfig({ ...wanted, challenge })
        kept.push(challenge)
        return [xml]
      } catch (error) {
        expect(error).toMatchObject(failure('malformed'))
        return []
      }
    })
    expect(kept.length).toBeGreaterThan(100)
    const found = read(...documents).map(
      (one: { PayloadContent: { PayloadContent: { Challenge: string } }[] }) =>
        one.PayloadContent[0]?.PayloadContent.Challenge,
    )
    expect(found).toEqual(kept)
  })

  test.each([
    ['a URL that is none', { url: 'ca.example.org/scep' }],
    ['another scheme', { url: 'javascript:alert(1)' }],
    ['a key too short', { keySize: 1024 }],
    ['half a subject', { subject: 'phone' }],
    ['a control character', { challenge: 'a\u0000b' }],
    ['half a character', { challenge: '\ud800' }],
  ])('%s is malformed', (_, change) => {
    expect(() => mobileconfig({ ...wanted, ...change })).toThrow(expect.objectContaining(failure('malformed')))
  })
})
