"""How people call a password, and a key, in their languages."""

from typing import Final

PLAIN: Final = (
    "password", "passwort", "mot de passe", "phrase de passe", "senha", "palavra-passe", "palavra passe", "wachtwoord",
    "parola", "passphrase", "passcode", "clave",
)  # fmt: skip
"""In ASCII, and so common that each text is searched for them."""

NAMED: Final = (
    # English, German, French, Spanish, Italian, Portuguese, Dutch
    "access code", "pass code", "pin code", "pincode", "login code", "secret code", "secret word", "secret phrase", "security code",
    "recovery phrase", "seed phrase", "network key", "wifi key", "codeword", "passwords",
    "kennwort", "zugangscode", "zugangsdaten", "geheimzahl", "losungswort", "codewort", "passwoerter",
    "mdp", "code secret", "code confidentiel", "phrase secrete", "identifiants", "cle", "clef", "cle secrete",
    "contrasena", "contrasenya", "contrasinal", "codigo de acceso", "codigo secreto", "palabra de paso", "palabra secreta",
    "parola d'ordine", "codice segreto", "codice di accesso", "chiave di accesso", "chiave segreta", "frase segreta",
    "codigo de acesso", "chave de acesso", "chave secreta", "frase secreta", "contrassenha",
    "paswoord", "wachtzin", "wachtwoordzin", "toegangscode", "inlogcode", "geheime code", "geheime sleutel",
    # of other languages in Latin letters
    "haslo", "haslem", "kod dostepu", "fraza", "heslo", "heslem", "geslo", "lozinka", "zaporka", "sifra", "jelszo", "jelszav", "jelszava",
    "losenord", "losenordsfras", "passord", "passfras", "kodeord", "adgangskode", "salasana", "tunnuslause",
    "parole", "parool", "parol", "slaptazodis", "sifre", "sifrem", "parolam", "erisim kodu", "mat khau",
    "kata sandi", "sandi", "kata laluan", "nenosiri", "neno la siri", "wagwoord", "pasahitza", "cyfrinair", "pasfhocal", "fjalekalimi",
)  # fmt: skip
"""Found where a colon or an equals sign follows them; so are the others without their accents."""

CASED: Final = (
    "contraseña", "código de acceso", "código secreto", "código de acesso", "code d'accès", "phrase secrète",
    "clé secrète", "clé d'accès", "şifre", "şifrə", "hasło", "lösenord", "jelszó", "mật khẩu", "slaptažodis", "šifra",
    "přístupový kód", "kod dostępu", "erişim kodu", "geçiş kodu", "zugangsschlüssel", "løsen", "pääsykoodi",
    "aðgangsorð", "lykilorð", "fjalëkalim",
    "парол", "лозинк", "шифра", "кодовое слово", "кодовая фраза", "кодовую фразу", "секретное слово", "код доступа", "гасло",
    "пин-код", "пинкод", "құпиясөз", "құпия сөз", "нууц үг", "κωδικός", "κωδικό", "συνθηματικό", "գաղտնաբառ",
)  # fmt: skip

SPACED: Final = (
    "كلمة المرور", "كلمة السر", "كلمة مرور", "كلمة سر", "الرقم السري", "رمز المرور", "رمز الدخول", "رمز عبور", "باسورد", "الباسورد",
    "گذرواژه", "کلمه عبور", "رمز ورود", "پاس ورڈ", "پاسورڈ", "پاسورد",
    "סיסמה", "סיסמא", "ססמה", "סיסמת", "קוד גישה", "קוד הגישה", "קוד סודי",
    "पासवर्ड", "कूटशब्द", "पासकोड", "गुप्त शब्द", "गुप्त कोड", "পাসওয়ার্ড", "পাসওয়ার্ড", "ਪਾਸਵਰਡ", "પાસવર્ડ",
    "கடவுச்சொல்", "பாஸ்வேர்டு", "పాస్‌వర్డ్", "పాస్వర్డ్", "ಪಾಸ್‌ವರ್ಡ್", "ಗುಪ್ತಪದ", "പാസ്‌വേഡ്", "പാസ്വേഡ്", "මුරපදය",
    "የይለፍ ቃል", "პაროლი",
)  # fmt: skip

UNSPACED: Final = (
    "密码", "密碼", "口令", "暗号", "暗號", "访问码", "登录码", "登入碼", "パスワード", "パスコード", "パスフレーズ", "暗証番号", "合言葉",
    "合い言葉", "비밀번호", "비번", "암호", "패스워드", "패스프레이즈", "접속 코드", "접근 코드", "รหัสผ่าน", "รหัสลับ",
    "ລະຫັດຜ່ານ", "ពាក្យសម្ងាត់", "စကားဝှက်",
)  # fmt: skip
"""Of languages that set no space between words, or endings to a foreign word."""

KEY: Final = ("key", "oken", "clé", "chlüssel", "ключ", "токен", "klíč", "nøkkel")

NAMED_KEYS: Final = (
    "jeton",
    "llave",
    "chiave",
    "chave",
    "sleutel",
    "klucz",
    "nyckel",
    "anahtar",
    "avain",
    "kulcs",
)
"""Found where a colon follows."""

KEYS: Final = frozenset(
    # what stands beside "API"
    "key keys token secret schlüssel schluessel key's clé cle clave llave chave chiave klucz kluczem sleutel "
    "nyckel nyckeln nøkkel nøkkelen nøgle avain avaimeni anahtar anahtarı anahtarım kulcs kulcsom klíč kľúč cheia cheie ključ "
    "κλειδί ключ ключом ключа ключът кључ مفتاح کلید המפתח המפתח: מפתח कुंजी कुंजी: চাবি কী 密钥 密鑰 金鑰 钥匙 キー 키 키는 khóa khoá kunci คีย์ açarı".split()
)

IS: Final = frozenset(
    "is was are be to ist lautet war heißt est était es fue era era: è é e foi är var er jest to je bylo on "
    "oli là adalah ialah ni ir yra esta este estas είναι это е є adı คือ है हैं છે ਹੈ হল হলো ہے است هو هي הוא היא "
    "luidt luder lyder brzmi reads heet soll bleibt bleibt: now still currently jetzt und and".split()
)  # fmt: skip
"""Words that lead from the name to the value."""
