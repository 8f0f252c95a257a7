"""Words that people put before a number, in their languages, by what they say of it.

``word*`` also stands for what begins so. Two words joined by ``-`` count where they follow each other.
"""

from collections.abc import Mapping
from typing import Final, Literal

Topic = Literal["phone", "card", "id", "named_id", "ssn", "ip", "version", "order", "filler"]

WORDS: Final[Mapping[Topic, str]] = {
    "phone": "wa-me reach-me ring-mig nå-mig nås связи связаться המספר-שלי מספרי संपर्क* मेरा-नंबर benim-numaram sms-to sms-an contáctame* escríbeme* escreva-me notre-numéro su-número tu-número unser-nummer votre-numéro callback-number sent-to send-to code-to recipient* 제-번호는 내-번호는 numéro-au "
    "callee called calling calls dialing dialling telem* mobiel* recapit* meine-nummer mon-numéro mi-número mijn-nummer meu-número mio-numero mój-numer mitt-nummer мой-номер رقمي "
    "caller callers callerid* caller-id contactn* ph mob homephone* workphone* a-call reachable wa-id erreich* anrufen rufen joindre joignable ringa soita* arayın ara arayabil* набер* התקשר* תתקשר* कॉल* gọi liên-hệ telefonisch* number-to numer-telefonu "
    "contact contacto kontakt* contato contatto phone* telep* telef* telèf* teléf* téléph* tel tlf tfno "
    "télé telnr telno mobile mobiles mobilephone* mobiln* mobiltel* mobilenumber mobileno mobil móvil movil cell cellphone* "
    "cellular celular* cellulare* handy handynummer* fax faxnummer whatsapp whats-app sms msisdn hotline helpline landline "
    "voicemail rufnummer* telnummer portable fone smartphone callback dial dialed dialled ringing texted texting "
    "my-number his-number her-number our-number called-from calls-from viber telegram signal-me "
    "gsm cep ceptel telefax komórk* komork* dzwo* zadzwo* puhelin* puhelime* gsmnummer* mobilnr telnr mobiltelefon* "
    "числ-телефона телефон* тел моб мобил* сотов* звони* позвони* ватсап вотсап дзвон* зателеф* τηλ τηλέφ* τηλεφ* κινητό* "
    "κινητο* هاتف* الهاتف* هاتفي جوال* الجوال* موبايل* تلفون* واتساب* للاتصال اتصل* تلفن* موبایل* شماره-تماس "
    "טלפון* הטלפון* בטלפון נייד* הנייד* וואטסאפ* פלאפון* "
    "फ़ोन* फोन* मोबाइल* मोबाईल* दूरभाष ফোন* মোবাইল* தொலைபேசி* கைபேசி* ఫోన్* điện-thoại sđt sdt số-điện "
    "nomor-telepon nomor-hp hp telepon* ponsel handphone* telpon* hubungi simu kontaktnummer* sími símanúmer* símanr "
    "telefonszám* szám-telefon mobilszám* tālrun* telefons telefonas telefonu llame llama llámame llámeme ligue ligar chiama* "
    "chiami appelez appele anruf* bellen bel ring-meg ruf",
    "card": "payment payments paid charge charged charging card cards creditcard* debitcard* cardnumber* cardno visa mastercard amex maestro discover jcb diners unionpay "
    "rupay cc ccnum ccn pan primary-account kreditkart* kreditkort* kart* bankkart* karte karta kartę kartą kartu kartou "
    "kaart* creditcardnummer kort kortet kortnummer* betalkort carte carta cartão cartao cartões tarjeta* tarjetas targeta "
    "kredi-kartı kártya* kártyá* bankkártya* kortti* luottokort* maksukort* карт* банковск* кредитк* картк* κάρτα* καρτα* "
    "بطاقة بطاقتي البطاقة بطاقات کارت כרטיס* הכרטיס* אשראי कार्ड* কার্ড* அட்டை thẻ thẻ-tín payment-method cardholder mir troy",
    "id": "national nationalid identity identification citizen* citizenship resident residence government passport tax taxid "
    "taxpayer fiscal fiscale fiscaux fiscais steuer* idnr tin sin insurance uidai uid vat nit "
    "insee sécurité securite contribuinte* contribuente* contribuyente* tributari* "
    "social ssn itin sozialvers* krankenvers* rijksregister* registre-national "
    "impôt* impot* belasting* skatt* vergi podatk* daň* adószám* adóazon* налог* налогов* податк* ضريب* الضريب* "
    "国税 税号 納稅 medicare mbs health-number healthcare patient*",
    "named_id": "ni-number ni-no documento* documentnumber docnumber kyc person-id person-number personalcode identitycode personal-identity pnr samordn* vatandaş* ewidencyj* المدني السجل الأحوال fodselsnr sotu uid idcode national-number nationalnumber svnummer oasi c-f n-i sécu number-id"
    " nationalid nationalidnumber nationalid* identityno identitycard* idcard* idnumber idno national-id "
    "national-identity id-card id-number id-no identity-number identity-card identity-no personal-id personalid "
    "personal-number personal-code personal-identification personalausweis* ausweis* personnummer* personnr "
    "personalnummer resident-id citizen-id citizenid citizen-no civil-id civilid steuerid* steueridentifikationsnummer* "
    "steuernummer* sozialversicherungsnummer* svnr sv-nummer tfn nin nino utr nhs nhsnumber pps ppsn ppsno bsn sofinummer "
    "burgerservicenummer* rijksregisternummer* niss insz pesel nip regon aadhaar aadhar adhaar pan cpf cnpj rg pis nis nir "
    "inss dni nie nif nuip cedula* cédula* c-i rut cuit cuil curp rfc nss ruc documento identidad* identité identite "
    "identità codice-fiscale codicefiscale* codice hkid nric fin mykad mykid ic-no ic-number nik ktp nomor-induk cccd cmnd cmt căn-cước "
    "định-danh philsys philid psn sss cnic nicop nid smartnic ahv* avs sozial-nr cnp egn егн afm αφμ amka αμκα oib emso emšo "
    "jmbg јмбг матичн* rodné-číslo rodne-cislo rodného-čísla rodné* rodneho* rodnécis* rodnecis* taj személyi* adóazonosító* "
    "isikukood* asmens-kodas asmens* personas-kods personas* henkilötunnus* hetu henkilotunnus* hetun fødselsnummer* fodselsnummer* "
    "fnr personnummeret cpr cprnr cpr-nummer kennital* tc tckn tckimlik* kimlik* tcno t-c-kimlik vkn mernis teudat תעודת* "
    "זהות ת-ז תז הזהות מספר-זהות هوية الهوية هويتي هويته هويتك الهويه القومي الوطني* إقامة الإقامة اقامة کد-ملی ملی "
    "инн снилс рнокпп іпн ипн иин жсн єдрпоу паспорт* паспорта удостоверен* личн-номер пинфл "
    "sin-number socialinsurance* ssn-in tfnno ird irdnumber ird-number sa-id emirates eid emiratesid iqama mynumber my-number "
    "my-number-card kojin rrn jumin residentregistration* resident-registration आधार पैन पहचान* জাতীয়* பதிவு kra idnp pinfl "
    "idnummer id-nummer id-nr identitetsnummer* identifikationsnummer* identificación identificacion identificação matricule* "
    "dowód dowodu numero-di-identità carta-d-identità fiscalcode taxnumber taxidnumber tax-number tax-file social-insurance "
    "insurance-number national-insurance identifikační* numéro-fiscal numéro-de-sécurité sécurité-sociale osobn*",
    "ssn": "ssn my-social social-number social-is socsec soc-sec ssns itin social-security socialsecurity* ss-number taxpayer-id social-sec us-tin seguro-social seguridad-social",
    "ip": "ip ipadres* adresse adres adress adresi dirección indirizzo endereço adrese серверa сервер* адрес* хост* خادم* الخادم* عنوان השרת שרת כתובת सर्वर* sunucu* serwer* servidor* serveur* palvelin* ips ipv ipaddr ipaddress* addr address host hostname server client peer remote remoteaddr ping dns gateway "
    "router subnet nameserver resolver ssh forwarded origin-ip",
    "version": "rv version* ver v rev revision release released build firmware driver upgrade upgraded upgrading "
    "downgrade downgraded update updated patched section sections chapter clause article paragraph appendix figure table "
    "step oid assemblyversion fileversion sdk wersj* versión versão versione версия* версі* إصدار גרסה",
    "order": "pakket* paket* paquete* pacco pacchi verzend* zending* lieferschein* account acct kontonummer* serie ticketnr batchnr número-de-serie номенклатур* артикул* "
    "ord ordnr inv sku tkt req ref-no txn rma awb order orders ordernumber* orderid invoice* ticket case isbn issn sku serial tracking trackingid "
    "trackingnumber* waybill batch part product transaction confirmation booking reservation shipment shipping parcel item "
    "article ean upc gtin asin barcode timestamp* ts epoch unix created updated expires iat exp nbf pid seed offset commit "
    "revision checksum hash uuid guid trace span request quantity qty amount total price invoice-no po imei "
    "bestell* auftrag* rechnung* sendung* artikel* lieferung* seriennummer* vorgang* commande* facture* suivi colis "
    "référence pedido* encomenda* factura* fatura* fattura* rastreo rastreamento seguimiento envío envio guía compra "
    "ordine ordini spedizione tracciamento bestelling* factuur* faktur* zamówieni* zamowieni* przesyłk* paczk* "
    "beställning* ordernr* fakturanr* försändelse* kolli bestilling* forsendelse* pakke sporing* tilaus* lasku* lähetys* "
    "sipariş* siparis* fatura* kargo* takip gönderi* objednáv* zásilk* faktúr* rendelés* számla* csomag* comandă* comanda* "
    "заказ* накладн* трек* посылк* отслежив* счёт* счет замовлен* посилк* παραγγελί* αποστολ* طلب الطلب* طلبية شحن* الشحن* "
    "تتبع فاتور* سفارش هزמנה הזמנה* משלוח* המשלוח* ההזמנה* חבילה* החבילה* מעקב חשבונית* पार्सल* पैकेट* शिपिंग* ऑर्डर* ट्रैकिंग* शिपमेंट चालान* অর্ডার* đơn-hàng vận-đơn mã-đơn "
    "pesanan resi nomor-resi",
    "filler": "number numbers no nr num nbr id ids code the a is was are of at and my your our their this it its it's with using "
    "please ref reference value x from to for on by has be here here's s numbered under "
    "nummer die der das den des dem ist lautet meine mein numéro numero número núm n de du d la le les el l es est era é foi "
    "mon ma mes notre mi mis su sus o os as do da dos das meu minha il lo mio mia è het mijn van nr. "
    "is: numer mój moja moje to jest w mitt min mit är er on oma numaram numarası numara no: numaralı benim číslo moje je "
    "szám száma номер мой моя мої мій это є رقم رقمي هو هي מספר שלי הוא है मेरा नंबर संख्या số của tôi là nomor saya adalah",
}  # fmt: skip

UNSPACED: Final[Mapping[Topic, str]] = {
    "phone": "电话 電話 手机 我的号码 联系 聯繫 ケータイ スマホ 连络 手機 携帯 連絡先 联系方式 聯絡 联系人 致电 拨打 撥打 座机 微信 传真 전화 휴대폰 휴대전화 핸드폰 연락 폰번호 "
    "โทร เบอร์ มือถือ ទូរស័ព្ទ",
    "card": "信用卡 银行卡 銀行卡 借记卡 储蓄卡 卡号 卡號 刷卡 クレジットカード カード 카드 บัตรเครดิต บัตรเดบิต",
    "named_id": "身份证 公民身份 居民身份 身份證 身分證 居民证 证件号 證件號 マイナンバー 個人番号 身分証 住民票コード 免許証 주민등록 주민번호 주민 신분증 외국인등록 "
    "บัตรประชาชน เลขประจำตัว เลขบัตร 统一编号 統一編號",
    "id": "纳税人 社保 護照 护照 健康保険 年金 여권 หนังสือเดินทาง",
    "order": "订单 訂單 单号 單號 快递 快遞 运单 運單 物流 发票 發票 包裹 注文 追跡 伝票 配送 請求書 問い合わせ番号 荷物 "
    "주문 운송장 송장 배송 택배 청구서 คำสั่งซื้อ พัสดุ ใบแจ้งหนี้ 时间戳",
    "version": "版本 バージョン 버전 เวอร์ชัน",
    "ip": "服务器 伺服器 サーバ アドレス 地址 位址 서버 주소 เซิร์ฟเวอร์",
    "filler": "番号 番號 号码 號碼 번호",
}  # fmt: skip
"""Of languages that are written without spaces, or with endings of many kinds."""
