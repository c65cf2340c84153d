import java.math.BigInteger;
import java.net.HttpURLConnection;
import java.net.URI;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.Security;
import java.security.spec.ECGenParameterSpec;
import java.util.HashMap;
import java.util.Map;
import org.bouncycastle.asn1.ASN1Encodable;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.cmp.CertRepMessage;
import org.bouncycastle.asn1.cmp.CertResponse;
import org.bouncycastle.asn1.cmp.ErrorMsgContent;
import org.bouncycastle.asn1.cmp.PBMParameter;
import org.bouncycastle.asn1.cmp.PKIBody;
import org.bouncycastle.asn1.cmp.PKIStatusInfo;
import org.bouncycastle.asn1.cmp.PollRepContent;
import org.bouncycastle.asn1.cmp.PollReqContent;
import org.bouncycastle.asn1.cmp.RevRepContent;
import org.bouncycastle.asn1.cmp.RevReqContent;
import org.bouncycastle.asn1.crmf.CertReqMessages;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.cmp.CertificateConfirmationContentBuilder;
import org.bouncycastle.cert.cmp.GeneralPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessage;
import org.bouncycastle.cert.cmp.ProtectedPKIMessageBuilder;
import org.bouncycastle.cert.cmp.RevocationDetailsBuilder;
import org.bouncycastle.cert.crmf.PKMACBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcaCertificateRequestMessageBuilder;
import org.bouncycastle.cert.crmf.jcajce.JcePKMACValuesCalculator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * A device over its life, by the CMP classes of Bouncy Castle: ir under a shared secret, certConf, kur with a new key, certConf, rr. Settings, each name=value: url, reference, secret, dns. Prints a line for
 * each answer: what protected it, the type of its body, and its status.
 */
public class CmpClient {
  private static final SecureRandom random = new SecureRandom();
  private static final Map<String, String> settings = new HashMap<>();

  public static void main(String[] args) throws Exception {
    Security.addProvider(new BouncyCastleProvider());
    for (String arg : args) settings.put(arg.substring(0, arg.indexOf('=')), arg.substring(arg.indexOf('=') + 1));
    X500Name name = new X500Name("CN=" + settings.get("dns"));
    KeyPair first = newKey();
    Transaction ir = new Transaction(name, null, null);
    X509CertificateHolder certificate = order(ir, PKIBody.TYPE_INIT_REQ, name, first);
    confirm(ir, certificate);
    KeyPair second = newKey();
    Transaction kur = new Transaction(certificate.getSubject(), first, certificate);
    X509CertificateHolder renewed = order(kur, PKIBody.TYPE_KEY_UPDATE_REQ, certificate.getSubject(), second);
    confirm(kur, renewed);
    Transaction rr = new Transaction(renewed.getSubject(), second, renewed);
    RevocationDetailsBuilder details = new RevocationDetailsBuilder();
    details.setIssuer(renewed.getIssuer()).setSerialNumber(renewed.getSerialNumber());
    rr.send(new PKIBody(PKIBody.TYPE_REVOCATION_REQ, new RevReqContent(details.build().toASN1Structure())));
  }

  private static KeyPair newKey() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static X509CertificateHolder order(Transaction transaction, int type, X500Name subject, KeyPair key) throws Exception {
    transaction.requestId = BigInteger.valueOf(random.nextInt(1000) + 1);
    JcaCertificateRequestMessageBuilder request = new JcaCertificateRequestMessageBuilder(transaction.requestId);
    request.setPublicKey(key.getPublic()).setSubject(subject);
    GeneralNames names = new GeneralNames(new GeneralName(GeneralName.dNSName, settings.get("dns")));
    request.addExtension(Extension.subjectAlternativeName, false, names);
    request.setProofOfPossessionSigningKeySigner(signer(key));
    PKIBody answer = transaction.send(new PKIBody(type, new CertReqMessages(request.build().toASN1Structure())));
    while (response(answer).getStatus().getStatus().intValue() == 3) {
      Thread.sleep(500);
      answer = transaction.send(new PKIBody(PKIBody.TYPE_POLL_REQ, new PollReqContent(transaction.requestId)));
      while (answer.getType() == PKIBody.TYPE_POLL_REP) {
        Thread.sleep(500);
        answer = transaction.send(new PKIBody(PKIBody.TYPE_POLL_REQ, new PollReqContent(transaction.requestId)));
      }
    }
    CertResponse response = response(answer);
    if (!response.getCertReqId().getValue().equals(transaction.requestId)) throw new Exception("another certReqId");
    if (response.getCertifiedKeyPair() == null) System.exit(1);
    return new X509CertificateHolder(response.getCertifiedKeyPair().getCertOrEncCert().getCertificate().getX509v3PKCert());
  }

  private static CertResponse response(PKIBody body) throws Exception {
    if (!(body.getContent() instanceof CertRepMessage)) System.exit(1);
    return ((CertRepMessage) body.getContent()).getResponse()[0];
  }

  private static void confirm(Transaction transaction, X509CertificateHolder certificate) throws Exception {
    CertificateConfirmationContentBuilder content = new CertificateConfirmationContentBuilder();
    content.addAcceptedCertificate(certificate, transaction.requestId);
    ASN1Encodable ready = content.build(new JcaDigestCalculatorProviderBuilder().build()).toASN1Structure();
    transaction.send(new PKIBody(PKIBody.TYPE_CERT_CONFIRM, ready));
  }

  private static ContentSigner signer(KeyPair key) throws Exception {
    return new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate());
  }

  private static PKMACBuilder mac() throws Exception {
    AlgorithmIdentifier sha256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256, DERNull.INSTANCE);
    AlgorithmIdentifier hmac = new AlgorithmIdentifier(PKCSObjectIdentifiers.id_hmacWithSHA256, DERNull.INSTANCE);
    PKMACBuilder builder = new PKMACBuilder(new JcePKMACValuesCalculator().setProvider("BC"));
    return builder.setParameters(new PBMParameter(fresh(), sha256, 1000, hmac));
  }

  private static byte[] fresh() {
    byte[] octets = new byte[16];
    random.nextBytes(octets);
    return octets;
  }

  /** Messages with one transactionID, by the shared secret, or by a key and its certificate. */
  private static class Transaction {
    private final X500Name sender;
    private final KeyPair key;
    private final X509CertificateHolder certificate;
    private final byte[] id = fresh();
    private byte[] theirs;
    BigInteger requestId;

    Transaction(X500Name sender, KeyPair key, X509CertificateHolder certificate) {
      this.sender = sender;
      this.key = key;
      this.certificate = certificate;
    }

    PKIBody send(PKIBody body) throws Exception {
      GeneralName recipient = new GeneralName(new X500Name("CN=CA"));
      byte[] nonce = fresh();
      ProtectedPKIMessageBuilder builder = new ProtectedPKIMessageBuilder(new GeneralName(sender), recipient);
      builder.setBody(body).setTransactionID(id).setSenderNonce(nonce).setMessageTime(new java.util.Date());
      if (theirs != null) builder.setRecipNonce(theirs);
      ProtectedPKIMessage message;
      if (key == null) {
        builder.setSenderKID(settings.get("reference").getBytes("UTF-8"));
        message = builder.build(mac().build(settings.get("secret").toCharArray()));
      } else message = builder.addCMPCertificate(certificate).build(signer(key));
      ProtectedPKIMessage answer = new ProtectedPKIMessage(post(message.toASN1Structure().getEncoded()));
      boolean maced = answer.hasPasswordBasedMacProtection();
      boolean good = maced
          ? answer.verify(mac(), settings.get("secret").toCharArray())
          : answer.verify(new JcaContentVerifierProviderBuilder().build(answer.getCertificates()[0]));
      if (!good) throw new Exception("the protection of the answer is wrong");
      if (!java.util.Arrays.equals(answer.getHeader().getTransactionID().getOctets(), id)) throw new Exception("another transaction");
      if (!java.util.Arrays.equals(answer.getHeader().getRecipNonce().getOctets(), nonce)) throw new Exception("another recipNonce");
      theirs = answer.getHeader().getSenderNonce().getOctets();
      System.out.println((maced ? "mac" : "signature") + " " + answer.getBody().getType() + " " + told(answer.getBody()));
      return answer.getBody();
    }

    private static GeneralPKIMessage post(byte[] message) throws Exception {
      HttpURLConnection connection = (HttpURLConnection) URI.create(settings.get("url")).toURL().openConnection();
      connection.setDoOutput(true);
      connection.setRequestProperty("Content-Type", "application/pkixcmp");
      connection.getOutputStream().write(message);
      return new GeneralPKIMessage(connection.getInputStream().readAllBytes());
    }

    private static String told(PKIBody body) {
      ASN1Encodable content = body.getContent();
      if (content instanceof CertRepMessage) return text(((CertRepMessage) content).getResponse()[0].getStatus());
      if (content instanceof RevRepContent) return text(((RevRepContent) content).getStatus()[0]);
      if (content instanceof ErrorMsgContent) return text(((ErrorMsgContent) content).getPKIStatusInfo());
      return content instanceof PollRepContent ? "poll" : "-";
    }

    private static String text(PKIStatusInfo info) {
      String said = info.getStatusString() == null ? "" : " " + info.getStatusString().getStringAtUTF8(0).getString();
      return info.getStatus() + said;
    }
  }
}
