"""The only Streamlit code outside of app.py and pages/."""
