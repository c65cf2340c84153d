import java.io.FileReader;
import java.io.FileWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.DERSet;
import org.bouncycastle.asn1.DERUTF8String;
import org.bouncycastle.asn1.cmc.BodyPartID;
import org.bouncycastle.asn1.cmc.CMCObjectIdentifiers;
import org.bouncycastle.asn1.cmc.CMCStatusInfoV2;
import org.bouncycastle.asn1.cmc.CertificationRequest;
import org.bouncycastle.asn1.cmc.IdentityProofV2;
import org.bouncycastle.asn1.cmc.OtherMsg;
import org.bouncycastle.asn1.cmc.OtherStatusInfo;
import org.bouncycastle.asn1.cmc.PKIData;
import org.bouncycastle.asn1.cmc.PKIResponse;
import org.bouncycastle.asn1.cmc.PendInfo;
import org.bouncycastle.asn1.cmc.RevokeRequest;
import org.bouncycastle.asn1.cmc.TaggedAttribute;
import org.bouncycastle.asn1.cmc.TaggedCertificationRequest;
import org.bouncycastle.asn1.cmc.TaggedContentInfo;
import org.bouncycastle.asn1.cmc.TaggedRequest;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.CRLReason;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.ExtensionsGenerator;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.crmf.jcajce.JcaCertificateRequestMessageBuilder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509ExtensionUtils;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.bouncycastle.util.Store;
import org.bouncycastle.util.encoders.Hex;

/**
 * Messages of CMC by the classes of Bouncy Castle: CmcClient write|read name=value...
 *
 * write gives a full PKI request in base64. Settings: dns (each name one request, separated by commas), form (pkcs10, crmf), newkey (where the key of the first
 * one goes), cert and key (PEM: who signs; without them the key of the first request), identification and secret (an identity proof), revoke (PEM of a certificate),
 * query (a token in hex), transaction (a number).
 *
 * read takes an answer in base64 from the file `in` and prints what it says, once its signature is good: a line for each status, and for each certificate. out: where
 * the first certificate goes, PEM.
 */
public final class CmcClient {
  private static final Map<String, String> settings = new HashMap<>();
  private static final List<TaggedAttribute> controls = new ArrayList<>();
  private static final List<TaggedRequest> requests = new ArrayList<>();
  private static long bodyPart = 0;

  private CmcClient() {}

  public static void main(String[] args) throws Exception {
    for (int i = 1; i < args.length; i++) {
      int at = args[i].indexOf('=');
      settings.put(args[i].substring(0, at), args[i].substring(at + 1));
    }
    Security.insertProviderAt(new BouncyCastleProvider(), 1);
    if (args[0].equals("write")) write();
    else read();
  }

  private static void write() throws Exception {
    KeyPair first = null;
    for (String dns : settings.containsKey("dns") ? settings.get("dns").split(",") : new String[0]) {
      KeyPair pair = newKey();
      if (first == null) first = pair;
      requests.add(settings.getOrDefault("form", "pkcs10").equals("crmf") ? crmf(dns, pair) : pkcs10(dns, pair));
    }
    if (settings.containsKey("newkey")) writePem(settings.get("newkey"), first.getPrivate());
    if (settings.containsKey("secret")) proveIdentity();
    if (settings.containsKey("revoke")) revoke();
    if (settings.containsKey("transaction"))
      control(CMCObjectIdentifiers.id_cmc_transactionId, new ASN1Integer(new BigInteger(settings.get("transaction"))));
    if (settings.containsKey("query"))
      control(CMCObjectIdentifiers.id_cmc_queryPending, new DEROctetString(Hex.decode(settings.get("query"))));
    PKIData data =
        new PKIData(
            controls.toArray(new TaggedAttribute[0]),
            requests.toArray(new TaggedRequest[0]),
            new TaggedContentInfo[0],
            new OtherMsg[0]);
    System.out.println(Base64.getMimeEncoder().encodeToString(sign(data.getEncoded("DER"), first)));
  }

  private static void control(ASN1ObjectIdentifier type, ASN1Encodable value) {
    controls.add(new TaggedAttribute(new BodyPartID(++bodyPart), type, new DERSet(value)));
  }

  private static KeyPair newKey() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(256);
    return generator.generateKeyPair();
  }

  private static GeneralNames names(String dns) {
    return new GeneralNames(new GeneralName(GeneralName.dNSName, dns));
  }

  private static TaggedRequest pkcs10(String dns, KeyPair pair) throws Exception {
    ExtensionsGenerator extensions = new ExtensionsGenerator();
    extensions.addExtension(Extension.subjectAlternativeName, false, names(dns));
    extensions.addExtension(Extension.subjectKeyIdentifier, false, keyIdentifier(pair.getPublic()));
    byte[] request =
        new JcaPKCS10CertificationRequestBuilder(new X500Name("CN=" + dns), pair.getPublic())
            .addAttribute(PKCSObjectIdentifiers.pkcs_9_at_extensionRequest, extensions.generate())
            .build(signer(pair.getPrivate()))
            .getEncoded();
    return new TaggedRequest(
        new TaggedCertificationRequest(new BodyPartID(++bodyPart), CertificationRequest.getInstance(request)));
  }

  private static TaggedRequest crmf(String dns, KeyPair pair) throws Exception {
    JcaCertificateRequestMessageBuilder builder = new JcaCertificateRequestMessageBuilder(BigInteger.valueOf(++bodyPart));
    builder.setSubject(new X500Name("CN=" + dns));
    builder.setPublicKey(pair.getPublic());
    builder.addExtension(Extension.subjectAlternativeName, false, names(dns));
    builder.addExtension(Extension.subjectKeyIdentifier, false, keyIdentifier(pair.getPublic()));
    builder.setProofOfPossessionSigningKeySigner(signer(pair.getPrivate()));
    return new TaggedRequest(builder.build().toASN1Structure());
  }

  private static SubjectKeyIdentifier keyIdentifier(PublicKey key) throws Exception {
    return new JcaX509ExtensionUtils().createSubjectKeyIdentifier(key);
  }

  private static ContentSigner signer(PrivateKey key) throws Exception {
    return new JcaContentSignerBuilder(key.getAlgorithm().equals("RSA") ? "SHA256withRSA" : "SHA256withECDSA").build(key);
  }

  /** RFC 10002 sections 6.2.1 and 6.2.3. */
  private static void proveIdentity() throws Exception {
    String name = settings.get("identification");
    MessageDigest hash = MessageDigest.getInstance("SHA-256");
    byte[] secret = hash.digest((settings.get("secret") + name).getBytes(StandardCharsets.UTF_8));
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(secret, "HmacSHA256"));
    byte[] witness = mac.doFinal(new DERSequence(requests.toArray(new TaggedRequest[0])).getEncoded("DER"));
    control(CMCObjectIdentifiers.id_cmc_identification, new DERUTF8String(name));
    control(
        new ASN1ObjectIdentifier("1.3.6.1.5.5.7.7.34"),
        new IdentityProofV2(
            new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256),
            new AlgorithmIdentifier(PKCSObjectIdentifiers.id_hmacWithSHA256),
            witness));
  }

  private static void revoke() throws Exception {
    X509CertificateHolder certificate = readCertificate(settings.get("revoke"));
    control(
        CMCObjectIdentifiers.id_cmc_revokeRequest,
        new RevokeRequest(
            certificate.getIssuer(),
            new ASN1Integer(certificate.getSerialNumber()),
            CRLReason.lookup(CRLReason.superseded),
            null,
            null,
            new DERUTF8String("by Bouncy Castle")));
  }

  private static byte[] sign(byte[] data, KeyPair first) throws Exception {
    CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
    JcaSignerInfoGeneratorBuilder info =
        new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().build());
    if (settings.containsKey("cert")) {
      X509Certificate certificate = new JcaX509CertificateConverter().getCertificate(readCertificate(settings.get("cert")));
      generator.addSignerInfoGenerator(info.build(signer(readKey(settings.get("key"))), certificate));
      generator.addCertificates(new JcaCertStore(List.of(certificate)));
    } else if (first != null) {
      byte[] identifier = keyIdentifier(first.getPublic()).getKeyIdentifier();
      generator.addSignerInfoGenerator(info.build(signer(first.getPrivate()), identifier));
    }
    return generator.generate(new CMSProcessableByteArray(CMCObjectIdentifiers.id_cct_PKIData, data), true).getEncoded();
  }

  @SuppressWarnings("unchecked") // SignerId selects certificates, and does not say so.
  private static void read() throws Exception {
    byte[] bytes = Base64.getMimeDecoder().decode(Files.readString(Path.of(settings.get("in"))));
    CMSSignedData message = new CMSSignedData(bytes);
    Store<X509CertificateHolder> certificates = message.getCertificates();
    for (SignerInformation signer : message.getSignerInfos().getSigners()) {
      Collection<X509CertificateHolder> found = certificates.getMatches(signer.getSID());
      if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().build(found.iterator().next())))
        throw new IllegalStateException("the signature of the answer is bad");
    }
    if (message.getSignedContent() == null) System.out.println("simple");
    else printResponse(PKIResponse.getInstance(message.getSignedContent().getContent()));
    boolean first = true;
    for (X509CertificateHolder certificate : certificates.getMatches(null)) {
      System.out.println("certificate " + certificate.getSubject());
      if (first && settings.containsKey("out")) writePem(settings.get("out"), certificate);
      first = false;
    }
  }

  private static void printResponse(PKIResponse response) {
    for (ASN1Encodable element : response.getControlSequence()) {
      TaggedAttribute control = TaggedAttribute.getInstance(element);
      ASN1Encodable value = control.getAttrValues().getObjectAt(0);
      if (control.getAttrType().equals(CMCObjectIdentifiers.id_cmc_statusInfoV2))
        printStatus(CMCStatusInfoV2.getInstance(value));
      else if (control.getAttrType().equals(CMCObjectIdentifiers.id_cmc_transactionId))
        System.out.println("transaction " + ASN1Integer.getInstance(value).getValue());
      else System.out.println("control " + control.getAttrType());
    }
  }

  private static void printStatus(CMCStatusInfoV2 info) {
    StringBuilder line = new StringBuilder("status " + number(info.getcMCStatus()));
    for (BodyPartID part : info.getBodyList()) line.append(" part ").append(part.getID());
    if (info.hasOtherInfo()) {
      OtherStatusInfo other = info.getOtherStatusInfo();
      if (other.isFailInfo()) line.append(" fail ").append(number(other));
      if (other.isPendingInfo()) {
        byte[] token = PendInfo.getInstance(other.toASN1Primitive()).getPendToken();
        line.append(" token ").append(Hex.toHexString(token));
      }
    }
    System.out.println(line);
  }

  private static BigInteger number(ASN1Encodable integer) {
    return ASN1Integer.getInstance(integer.toASN1Primitive()).getValue();
  }

  private static X509CertificateHolder readCertificate(String path) throws Exception {
    try (PEMParser parser = new PEMParser(new FileReader(path))) {
      return (X509CertificateHolder) parser.readObject();
    }
  }

  private static PrivateKey readKey(String path) throws Exception {
    try (PEMParser parser = new PEMParser(new FileReader(path))) {
      Object read = parser.readObject();
      JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
      return read instanceof PEMKeyPair
          ? converter.getPrivateKey(((PEMKeyPair) read).getPrivateKeyInfo())
          : converter.getPrivateKey((PrivateKeyInfo) read);
    }
  }

  private static void writePem(String path, Object object) throws Exception {
    try (JcaPEMWriter writer = new JcaPEMWriter(new FileWriter(path))) {
      writer.writeObject(object);
    }
  }
}
